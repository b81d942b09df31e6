import type { Summary } from "../../data/server.ts";
import { isLocalTime } from "../../state/app.ts";
import type { ListState } from "../../state/list-state.ts";
import { oneLine } from "../../text/clean.ts";
import { instant, microsOf } from "../../text/time.ts";
import { count, duration } from "../../text/units.ts";

const MAX_TEXT = 200;

export function Traces({ state }: { state: ListState }) {
  const traces = state.traces.value;
  const longest = traces.reduce((most, { duration_us }) => Math.max(most, duration_us), 1);
  if (traces.length === 0) {
    return state.isBusy.value || state.problem.value ? null : <Nothing />;
  }
  return (
    <>
      <table class="traces" onKeyDown={moveByKey}>
        <thead>
          <tr>
            <th scope="col">
              <span class="unseen">Compare</span>
            </th>
            <th scope="col">Request</th>
            <th scope="col">
              <button class="plain" title="UTC or local time" onClick={() => (isLocalTime.value = !isLocalTime.value)}>
                Started
              </button>
            </th>
            <th scope="col" class="number">
              Duration
            </th>
            <th scope="col" class="number">
              Points
            </th>
            <th scope="col" class="number">
              Errors
            </th>
          </tr>
        </thead>
        <tbody>
          {traces.map((trace) => (
            <Line key={trace.base_id} state={state} trace={trace} longest={longest} />
          ))}
        </tbody>
      </table>
      {state.next.value !== null && (
        <p class="nothing">
          <button disabled={state.isBusy.value} onClick={() => void state.more()}>
            Show older ones
          </button>
        </p>
      )}
    </>
  );
}

function Nothing() {
  return (
    <p class="nothing">
      No trace is here yet. Those that come will appear by themselves; a file can be dropped here, too.
    </p>
  );
}

function Line({ state, trace, longest }: { state: ListState; trace: Summary; longest: number }) {
  const { root } = trace;
  const place = [root.project, root.service].filter(Boolean).join("/");
  const link = new URLSearchParams({ trace: trace.base_id });
  const text = oneLine(root.request || root.name).slice(0, MAX_TEXT);
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          aria-label={`Compare ${text}`}
          checked={state.chosen.value.includes(trace.base_id)}
          onChange={() => state.choose(trace.base_id)}
        />
      </td>
      <td class="request">
        <a href={`#${link}`}>{text || "(no name)"}</a>
        <span class="note">
          {oneLine([place, root.host && `on ${root.host}`].filter(Boolean).join(" "))}{" "}
          <span class="id">{oneLine(trace.base_id).slice(0, MAX_TEXT)}</span>
        </span>
      </td>
      <td class="started">{instant(microsOf(trace.timestamp), isLocalTime.value)}</td>
      <td class="number bar" style={{ "--share": trace.duration_us / longest }}>
        {duration(trace.duration_us)}
      </td>
      <td class="number">
        {count(trace.points)}
        {trace.unfinished > 0 && <span class="odd running">{count(trace.unfinished)} unfinished</span>}
      </td>
      <td class={`number${trace.errors > 0 ? " bad" : ""}`}>{trace.errors > 0 ? count(trace.errors) : "–"}</td>
    </tr>
  );
}

/** Up and down go from trace to trace. */
function moveByKey(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
  const links = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>(".request a")];
  const now = links.indexOf(document.activeElement as HTMLElement);
  if (step && now >= 0) {
    event.preventDefault();
    links[Math.min(Math.max(now + step, 0), links.length - 1)].focus();
  }
}
