// The critical path: what the end of the trace waited for, at each instant.

import { NO_POINT, type Point, type Trace } from "./trace.ts";

/** A stretch of time in which everything waited for one point to do its own work. */
export interface Step {
  point: Point;
  from: number;
  to: number;
}

interface Visit {
  point: Point;
  /** Nothing before this counts. */
  from: number;
  /** From here the walk goes back in time. */
  at: number;
  /** The children, the last to finish last. */
  children: Point[];
}

/**
 * The steps, the first first. `NO_POINT` stands for time in which none of those waited for ran.
 *
 * From the end of the trace the walk goes back to the point that finished last, and below it to the child
 * that did; while that child ran, all waited for it. Work that goes on after its caller has finished, as
 * that of a cast does, counts too.
 */
export function criticalPath(trace: Trace): Step[] {
  const finish = lastFinishes(trace);
  const steps: Step[] = [];
  const add = (point: Point, from: number, to: number) => {
    if (to > from) {
      steps.push({ point, from, to });
    }
  };
  const own = ({ point, at }: Visit, from: number) => {
    const end = point === NO_POINT ? from : Math.max(trace.finish(point), from);
    add(NO_POINT, end, at);
    add(point, from, Math.min(end, at));
  };
  const visit = (point: Point, from: number, at: number): Visit => ({ point, from, at, children: byFinish(trace, point, finish) });
  const open = [visit(NO_POINT, 0, trace.header.duration_us)];
  while (open.length > 0) {
    const now = open[open.length - 1];
    const child = now.children.pop();
    if (child === undefined) {
      own(now, now.from);
      open.pop();
      continue;
    }
    const to = Math.min(finish[child], now.at);
    const from = Math.max(trace.start(child), now.from);
    if (to > from) {
      own(now, to);
      now.at = from;
      open.push(visit(child, from, to));
    }
  }
  return steps.reverse();
}

/** When the last point at or below each finished. */
function lastFinishes(trace: Trace): Float64Array {
  const finish = trace.derived.finish.slice();
  const { parent } = trace.columns;
  for (let point = trace.count - 1; point >= 0; point--) {
    const above = parent[point];
    if (above >= 0 && finish[above] < finish[point]) {
      finish[above] = finish[point];
    }
  }
  return finish;
}

function byFinish(trace: Trace, point: Point, finish: Float64Array): Point[] {
  return [...trace.children(point)].sort((a, b) => finish[a] - finish[b]);
}

/** How long everything waited for each point, the longest first. */
export function criticalShares(steps: Step[]): { point: Point; time: number }[] {
  const times = new Map<Point, number>();
  for (const { point, from, to } of steps) {
    times.set(point, (times.get(point) ?? 0) + to - from);
  }
  return [...times].map(([point, time]) => ({ point, time })).sort((a, b) => b.time - a.time);
}
