import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { fetchConnection } from "../data/server.ts";
import { showFile } from "../state/app.ts";
import { type ListState, messageOf } from "../state/list-state.ts";
import { oneLine } from "../text/clean.ts";
import { plural } from "../text/units.ts";
import { Filters } from "./list/Filters.tsx";
import { Traces } from "./list/Traces.tsx";
import { ThemeButton } from "./ThemeButton.tsx";

/** The traces of the server, newest first, as they come. */
export function ListPage({ state }: { state: ListState }) {
  const isDragging = useSignal(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    isDragging.value = false;
    const file = event.dataTransfer?.files[0];
    if (file) {
      void showFile(file);
    }
  };
  return (
    <div
      class={`list-page${isDragging.value ? " dragging" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        isDragging.value = true;
      }}
      onDragLeave={() => (isDragging.value = false)}
      onDrop={drop}
    >
      <header class="head">
        <div class="title">
          <h1>Traces</h1>
          <Connection />
        </div>
        <div class="head-buttons">
          <OpenFile />
          <ThemeButton />
        </div>
      </header>
      <Filters state={state} />
      <Status state={state} />
      <main>
        <Traces state={state} />
      </main>
    </div>
  );
}

/** Where the traces come from. */
function Connection() {
  const text = useSignal("");
  useEffect(() => {
    fetchConnection().then(
      (connection) => (text.value = connection),
      (error) => (text.value = messageOf(error)),
    );
  }, []);
  return <p class="sub id">{oneLine(text.value)}</p>;
}

function OpenFile() {
  const ref = useRef<HTMLInputElement>(null);
  return (
    <>
      <button class="wide" title="Records, a report, OTLP, Jaeger or Zipkin JSON, a saved page; or drop it here" onClick={() => ref.current?.click()}>
        Open a file …
      </button>
      <input
        ref={ref}
        type="file"
        hidden
        aria-label="File to open"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0];
          if (file) {
            void showFile(file);
          }
        }}
      />
    </>
  );
}

function Status({ state }: { state: ListState }) {
  const chosen = state.chosen.value;
  const traces = state.traces.value;
  return (
    <div class="list-status">
      <span role="status" class={state.problem.value ? "bad" : "note"}>
        {state.problem.value ? oneLine(state.problem.value) : state.isBusy.value ? "…" : statusOf(state)}
      </span>
      {chosen.length > 0 && (
        <CompareLink older={chosen} order={traces.map(({ base_id }) => base_id)} />
      )}
    </div>
  );
}

function statusOf(state: ListState): string {
  const more = state.next.value === null ? "" : " so far";
  return `${plural(state.traces.value.length, "trace")}${more}, newest first; new ones appear by themselves`;
}

/** The newer of two traces is compared with the older. */
function CompareLink({ older, order }: { older: string[]; order: string[] }) {
  if (older.length < 2) {
    return <span class="note">Choose one more to compare.</span>;
  }
  const [after, before] = [...older].sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return <a href={`#${new URLSearchParams({ trace: after, with: before, view: "compare" })}`}>Compare the two</a>;
}
