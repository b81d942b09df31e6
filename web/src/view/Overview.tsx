import { useMemo } from "preact/hooks";
import { type CriticalShare, criticalShares } from "../model/critical.ts";
import { type Note, notes } from "../model/notes.ts";
import { quoted } from "../model/stats.ts";
import { NO_POINT } from "../model/trace.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { duration, share } from "../text/units.ts";

const MAX_STEPS = 14;

/** The trace as a whole: what to know first, and where the time went. */
export function Overview({ state }: { state: TraceState }) {
  return (
    <>
      <h2>Overview</h2>
      <Findings state={state} />
      <ByService state={state} />
      <Critical state={state} />
    </>
  );
}

function Findings({ state }: { state: TraceState }) {
  const all = useMemo(() => notes(state.trace), [state.trace]);
  return (
    <section>
      <h3>Findings</h3>
      {all.length === 0 ? (
        <p class="note">Nothing failed, and nothing is missing.</p>
      ) : (
        <ul class="findings">
          {all.map((note) => (
            <Finding key={note.text} state={state} note={note} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Finding({ state, note: { text, tone, point, query } }: { state: TraceState; note: Note }) {
  return (
    <li class={tone}>
      <span>{text}</span>
      {point !== NO_POINT && (
        <button class="plain link" onClick={() => state.select(point)}>
          show
        </button>
      )}
      {query !== "" && (
        <button class="plain link" onClick={() => (state.search.text.value = query)}>
          find all
        </button>
      )}
    </li>
  );
}

/** Whom the end of the trace waited for. */
function ByService({ state }: { state: TraceState }) {
  const { trace } = state;
  const path = state.critical.value;
  const whole = trace.header.duration_us;
  const shares = useMemo(() => criticalShares(path, (point) => trace.serviceOf[point]), [path]);
  const color = ({ point }: CriticalShare) =>
    point === NO_POINT ? "var(--faint)" : `var(--series-${trace.serviceOf[point] % 8})`;
  return (
    <section>
      <h3>What the end of the trace waited for</h3>
      <div class="stack" aria-hidden="true">
        {shares.map((one) => (
          <i key={one.point} style={{ flexGrow: one.time / Math.max(whole, 1), background: color(one) }} />
        ))}
      </div>
      <ul class="services">
        {shares.map((one) => (
          <li key={one.point} style={{ "--swatch": color(one) }}>
            {one.point === NO_POINT ? (
              <span>nothing that was traced</span>
            ) : (
              <button
                class="plain"
                onClick={() => (state.search.text.value = `service:${quoted(trace.service(one.point))}`)}
              >
                {oneLine(trace.service(one.point))}
              </button>
            )}
            <span class="number">{duration(one.time)}</span>
            <span class="number">{share(one.time, whole)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The same by points that are alike, the longest first. */
function Critical({ state }: { state: TraceState }) {
  const { trace } = state;
  const path = state.critical.value;
  const shares = useMemo(() => criticalShares(path, (point) => trace.likeness(point)), [path]);
  const longest = shares[0]?.time ?? 1;
  return (
    <section>
      <h3>Critical path</h3>
      <p class="note">Making these shorter makes the trace shorter, most at the top.</p>
      <ol class="shares">
        {shares
          .filter(({ point }) => point !== NO_POINT)
          .slice(0, MAX_STEPS)
          .map(({ point, count, time }) => (
            <li key={point} style={{ "--share": time / longest, "--swatch": `var(--series-${trace.serviceOf[point] % 8})` }}>
              <button class="plain" title={oneLine(trace.detail(point)).slice(0, 400)} onClick={() => state.select(point)}>
                {count > 1 && `${count} × `}
                <span class="name">{oneLine(trace.name(point))}</span> {oneLine(trace.brief(point)).slice(0, 120)}
              </button>
              <span class="number">{duration(time)}</span>
              <span class="number">{share(time, trace.header.duration_us)}</span>
            </li>
          ))}
      </ol>
    </section>
  );
}
