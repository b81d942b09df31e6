import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Texts } from "../../data/records.ts";
import type { Point } from "../../model/trace.ts";
import { isLocalTime } from "../../state/app.ts";
import { linkOf } from "../../state/permalink.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { lines, oneLine } from "../../text/clean.ts";
import { instant } from "../../text/time.ts";
import { duration, share } from "../../text/units.ts";

/** Everything about one point. */
export function Details({ state, point }: { state: TraceState; point: Point }) {
  const { trace } = state;
  const texts = useSignal<Texts | null>(null);
  useEffect(() => {
    void state.opened.records(point).then((read) => (texts.value = read));
  }, [point]);
  return (
    <>
      <h2>{oneLine(trace.name(point))}</h2>
      <p class="detail-text">{oneLine(trace.detail(point))}</p>
      {trace.is(point, "error") && <p class="error-text">{lines(trace.error(point))}</p>}
      <Times state={state} point={point} />
      <p>
        <a href={linkOf(state, point)}>Link to the point</a>
      </p>
      {texts.value && (
        <>
          <h3>Records</h3>
          <pre>{lines(`${texts.value.start}\n${texts.value.stop}`.trim())}</pre>
        </>
      )}
    </>
  );
}

function Times({ state, point }: { state: TraceState; point: Point }) {
  const { trace } = state;
  const long = trace.duration(point);
  return (
    <dl class="facts">
      <Fact label="duration">{long === null ? "unknown" : duration(long)}</Fact>
      <Fact label="by itself">
        {duration(trace.self(point))} · {share(trace.self(point), trace.header.duration_us)} of the trace
      </Fact>
      <Fact label="started">
        +{duration(trace.start(point))} · {instant(trace.header.started_us + trace.start(point), isLocalTime.value)}
      </Fact>
      <Fact label="service">{oneLine(trace.service(point))}</Fact>
      <Fact label="host">{oneLine(trace.host(point))}</Fact>
      <Fact label="id">{oneLine(trace.id(point))}</Fact>
      <Fact label="parent">{oneLine(trace.parentId(point))}</Fact>
    </dl>
  );
}

function Fact({ label, children }: { label: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}
