import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { type JsonLine, jsonLines } from "../../text/json.ts";
import { lines as cleanLines, oneLine } from "../../text/clean.ts";

/** Lines that are put on the page before somebody asks for more, and characters of a value. */
const PAGE = 300;
const LONG = 2000;

/** JSON as a tree of keys and values. */
export function JsonTree({ json }: { json: string }) {
  const lines = useMemo(() => jsonLines(json).slice(1), [json]);
  const limit = useSignal(PAGE);
  if (lines.length === 0) {
    return <p class="note">nothing</p>;
  }
  return (
    <>
      <ul class="json">
        {lines.slice(0, limit.value).map((line, at) => (
          <li key={at} style={{ paddingLeft: `${(line.depth - 1) * 14}px` }}>
            <span class="key">{oneLine(line.key)}</span> <Value line={line} />
          </li>
        ))}
      </ul>
      {lines.length > limit.value && <button onClick={() => (limit.value *= 4)}>Show more of {lines.length}</button>}
    </>
  );
}

function Value({ line: { type, value, below } }: { line: JsonLine }) {
  if (type === "object" || type === "array") {
    return below === 0 ? <span class="none">{type === "object" ? "{}" : "[]"}</span> : null;
  }
  return <LongText text={value} class={type} />;
}

/** Text of which a very long one shows in part until somebody asks. */
export function LongText({ text, class: name = "" }: { text: string; class?: string }) {
  const isWhole = useSignal(text.length <= LONG);
  return (
    <>
      <span class={name}>{cleanLines(isWhole.value ? text : text.slice(0, LONG))}</span>
      {!isWhole.value && (
        <button class="quiet" onClick={() => (isWhole.value = true)}>
          … all {text.length} characters
        </button>
      )}
    </>
  );
}
