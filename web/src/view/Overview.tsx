import { useMemo } from "preact/hooks";
import { criticalShares } from "../model/critical.ts";
import { NO_POINT } from "../model/trace.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { duration, share } from "../text/units.ts";

const MAX_STEPS = 12;

/** The trace as a whole. */
export function Overview({ state }: { state: TraceState }) {
  return (
    <>
      <h2>Overview</h2>
      <Critical state={state} />
    </>
  );
}

/** What everything waited for, the longest first. */
function Critical({ state }: { state: TraceState }) {
  const { trace } = state;
  const path = state.critical.value;
  const { name, brief } = trace.columns;
  const shares = useMemo(
    () => criticalShares(path, (point) => [name[point], brief[point], trace.serviceOf[point]].join()),
    [path],
  );
  return (
    <section>
      <h3>Critical path</h3>
      <p class="note">What the end of the trace waited for. Making these shorter makes the trace shorter.</p>
      <ol class="shares">
        {shares.slice(0, MAX_STEPS).map(({ point, count, time }) => (
          <li key={point} style={{ "--share": time / Math.max(trace.header.duration_us, 1) }}>
            <button class="plain" disabled={point === NO_POINT} onClick={() => state.select(point)}>
              {point === NO_POINT ? (
                <span class="name">no point ran</span>
              ) : (
                <>
                  {count > 1 && `${count} × `}
                  <span class="name">{oneLine(trace.name(point))}</span> {oneLine(trace.brief(point)).slice(0, 120)}
                </>
              )}
            </button>
            <span class="number">{duration(time)}</span>
            <span class="number">{share(time, trace.header.duration_us)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
