import { useRef } from "preact/hooks";
import { exportUrl } from "../data/server.ts";
import { EXPORTS, type Export } from "../export/formats.ts";
import { notice } from "../state/app.ts";
import type { TraceState } from "../state/trace-state.ts";
import { messageOf } from "../state/list-state.ts";

/** The trace as a file for other programs. */
export function SaveMenu({ state }: { state: TraceState }) {
  const ref = useRef<HTMLDetailsElement>(null);
  const close = () => ref.current?.removeAttribute("open");
  return (
    <details class="menu" ref={ref} onKeyDown={(event) => event.key === "Escape" && close()} onFocusOut={(event) => !ref.current?.contains(event.relatedTarget as Node) && close()}>
      <summary class="quiet" title="Save as a file" aria-label="Save as a file">
        ⤓
      </summary>
      <ul>
        {EXPORTS.map((format) => (
          <li key={format.name}>
            <Item state={state} format={format} onDone={close} />
          </li>
        ))}
      </ul>
    </details>
  );
}

/** The server writes what it has; all else is written here. */
function Item({ state, format, onDone }: { state: TraceState; format: Export; onDone: () => void }) {
  const text = (
    <>
      {format.label} <small>{format.purpose}</small>
    </>
  );
  if (state.id !== null && state.below === null) {
    return (
      <a href={exportUrl(state.id, format.name)} download onClick={onDone}>
        {text}
      </a>
    );
  }
  const save = async () => {
    onDone();
    try {
      saveFile([...(await format.write(state.opened))], fileName(state, format));
    } catch (error) {
      notice.value = messageOf(error);
    }
  };
  return (
    <button class="plain" onClick={save}>
      {text}
    </button>
  );
}

function fileName({ trace }: TraceState, { extension }: Export): string {
  const id = (trace.header.base_id ?? "").replace(/[^A-Za-z0-9_-]/g, "").slice(0, 64);
  return `trace-${id}.${extension}`;
}

function saveFile(parts: string[], name: string): void {
  const url = URL.createObjectURL(new Blob(parts));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
