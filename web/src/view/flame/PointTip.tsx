import type { Point, Trace } from "../../model/trace.ts";
import { oneLine } from "../../text/clean.ts";
import { duration } from "../../text/units.ts";

/** A point in a few words, for who points at it. */
export function PointTip({ trace, point }: { trace: Trace; point: Point }) {
  const long = trace.duration(point);
  return (
    <>
      <strong>{oneLine(trace.name(point))}</strong> {oneLine(trace.brief(point)).slice(0, 200)}
      <br />
      {long === null ? "unfinished" : duration(long)}, {duration(trace.self(point))} by itself ·{" "}
      {oneLine(trace.service(point))} on {oneLine(trace.host(point))}
      {trace.is(point, "error") && <p class="bad">{oneLine(trace.error(point)).slice(0, 300)}</p>}
    </>
  );
}
