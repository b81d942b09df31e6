// The critical path: what the end of the trace waited for, at each instant.

import type { Columns } from "../data/columns.ts";
import type { Derived } from "./derive.ts";

/** Stretches of time in each of which everything waited for one point to do its own work. */
export interface CriticalPath {
  /** The points, stretch by stretch, the earliest first; -1 where none of those waited for ran. */
  point: Int32Array;
  from: Float64Array;
  to: Float64Array;
  /** The stretches grouped by point, the points in ascending order. */
  byPoint: Uint32Array;
}

export const NO_PATH: CriticalPath = {
  point: new Int32Array(),
  from: new Float64Array(),
  to: new Float64Array(),
  byPoint: new Uint32Array(),
};

type Given = Pick<Columns, "header" | "parent" | "start"> & Pick<Derived, "finish" | "next">;

interface Visit {
  point: number;
  /** Nothing before this counts. */
  from: number;
  /** From here the walk goes back in time. */
  at: number;
  /** The children, the last to finish last. */
  children: number[];
}

/**
 * From the end of the trace the walk goes back to the point that finished last, and below it to the child
 * that did; while that child ran, all waited for it. Work that goes on after its caller has finished, as
 * that of a cast does, counts too.
 */
export function criticalPath(given: Given): CriticalPath {
  const finish = lastFinishes(given);
  const steps = new Steps();
  const own = ({ point, at }: Visit, from: number) => {
    const end = point < 0 ? from : Math.max(given.finish[point], from);
    steps.add(-1, end, at);
    steps.add(point, from, Math.min(end, at));
  };
  const visit = (point: number, from: number, at: number): Visit => ({
    point,
    from,
    at,
    children: byFinish(given, point, finish),
  });
  const open = [visit(-1, 0, given.header.duration_us)];
  while (open.length > 0) {
    const now = open[open.length - 1];
    const child = now.children.pop();
    if (child === undefined) {
      own(now, now.from);
      open.pop();
      continue;
    }
    const to = Math.min(finish[child], now.at);
    const from = Math.max(given.start[child], now.from);
    if (to > from) {
      own(now, to);
      now.at = from;
      open.push(visit(child, from, to));
    }
  }
  return steps.finish();
}

/** When the last point at or below each finished. */
function lastFinishes({ finish, parent }: Given): Float64Array {
  const last = finish.slice();
  for (let point = last.length - 1; point >= 0; point--) {
    const above = parent[point];
    if (above >= 0 && last[above] < last[point]) {
      last[above] = last[point];
    }
  }
  return last;
}

function byFinish({ next }: Given, point: number, finish: Float64Array): number[] {
  const children: number[] = [];
  const end = point < 0 ? next.length : next[point];
  let isSorted = true;
  for (let child = point + 1; child < end; child = next[child]) {
    isSorted &&= children.length === 0 || finish[children[children.length - 1]] <= finish[child];
    children.push(child);
  }
  return isSorted ? children : children.sort((a, b) => finish[a] - finish[b]);
}

/** Takes the steps from the last to the first. */
class Steps {
  private readonly points: number[] = [];
  private readonly from: number[] = [];
  private readonly to: number[] = [];

  add(point: number, from: number, to: number): void {
    if (to > from) {
      this.points.push(point);
      this.from.push(from);
      this.to.push(to);
    }
  }

  finish(): CriticalPath {
    const point = Int32Array.from(this.points).reverse();
    const steps = Uint32Array.from(this.points, (_, step) => step);
    return {
      point,
      from: Float64Array.from(this.from).reverse(),
      to: Float64Array.from(this.to).reverse(),
      byPoint: steps.sort((a, b) => point[a] - point[b] || a - b),
    };
  }
}

/** The stretches of one point, the earliest first. */
export function* stepsOf(path: CriticalPath, point: number): Generator<{ from: number; to: number }> {
  let [low, high] = [0, path.byPoint.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (path.point[path.byPoint[middle]] < point) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; path.point[path.byPoint[low]] === point; low++) {
    const step = path.byPoint[low];
    yield { from: path.from[step], to: path.to[step] };
  }
}

/** What points that are alike have to do with the critical path. */
export interface CriticalShare {
  /** The first of them; -1 for time in which none ran. */
  point: number;
  /** How many they are. */
  count: number;
  time: number;
}

/** How long everything waited for points that have a key in common, the longest first. */
export function criticalShares(path: CriticalPath, keyOf: (point: number) => number): CriticalShare[] {
  const shares = new Map<number, CriticalShare>();
  let last = -2;
  let share: CriticalShare | undefined;
  for (const step of path.byPoint) {
    const point = path.point[step];
    if (point !== last || !share) {
      const key = point < 0 ? -1 : keyOf(point);
      share = shares.get(key) ?? { point, count: 0, time: 0 };
      share.count++;
      shares.set(key, share);
      last = point;
    }
    share.time += path.to[step] - path.from[step];
  }
  return [...shares.values()].sort((a, b) => b.time - a.time);
}
