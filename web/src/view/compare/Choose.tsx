import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { fetchList, type Summary } from "../../data/server.ts";
import { hasServer, isLocalTime } from "../../state/app.ts";
import { messageOf } from "../../state/list-state.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { oneLine } from "../../text/clean.ts";
import { instant, microsOf } from "../../text/time.ts";
import { duration } from "../../text/units.ts";

/** Choosing the trace to compare with. */
export function Choose({ state }: { state: TraceState }) {
  const { compared } = state;
  if (compared.isBusy.value) {
    return <p class="reading">Reading the other trace …</p>;
  }
  return (
    <div class="choose">
      <h2>Compare with another trace</h2>
      <p>What got slower, faster, new or gone since then, by how much and where.</p>
      {compared.problem.value && (
        <p class="bad" role="alert">
          {oneLine(compared.problem.value)}
        </p>
      )}
      <label class="file">
        <span>
          {hasServer.value ? (
            "A file: a saved page, records, a report …"
          ) : (
            <>
              A page that was saved by <code>osprofiler trace show --html</code>
            </>
          )}
        </span>
        <input
          type="file"
          accept={hasServer.value ? undefined : ".html"}
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            if (file) {
              void compared.takeFile(file, hasServer.value);
            }
          }}
        />
      </label>
      {hasServer.value && <Others state={state} />}
    </div>
  );
}

/** The traces of the same request that the server has. */
function Others({ state }: { state: TraceState }) {
  const traces = useSignal<Summary[]>([]);
  const problem = useSignal("");
  useEffect(() => {
    fetchList({ limit: "50" }, null).then(
      (page) => (traces.value = page.traces.filter(({ base_id }) => base_id !== state.id)),
      (error) => (problem.value = messageOf(error)),
    );
  }, [state.id]);
  return (
    <>
      <h3>Or one of the newest</h3>
      {problem.value && <p class="bad">{oneLine(problem.value)}</p>}
      <ul>
        {traces.value.map((trace) => (
          <li key={trace.base_id}>
            <button class="plain" onClick={() => (state.compared.wanted.value = trace.base_id)}>
              <b>{oneLine(trace.root.request || trace.root.name).slice(0, 120)}</b>
              <span>{duration(trace.duration_us)}</span>
              <span class="note">{instant(microsOf(trace.timestamp), isLocalTime.value)}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
