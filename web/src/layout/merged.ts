// The flame graph in which points of the same kind with the same callers are one box, as wide as the work
// that was done in and below it: the sum of what each did by itself. So it is right for parallel children.

import { NO_POINT, type Trace } from "../model/trace.ts";

export interface Merged {
  count: number;
  /** An example of the points that each box stands for. */
  point: Uint32Array;
  points: Uint32Array;
  parent: Int32Array;
  depth: Uint32Array;
  self: Float64Array;
  total: Float64Array;
  /** Where it begins, in microseconds of work. */
  x: Float64Array;
  /** The work of all. */
  whole: number;
  /** By depth, from left to right. */
  lines: { boxes: Uint32Array; from: Uint32Array };
}

export function merge(trace: Trace): Merged {
  const kinds = kindsOf(trace);
  const boxOf = new Uint32Array(trace.count);
  const known = new Map<number, number>();
  const grown = { point: [] as number[], points: [] as number[], parent: [] as number[], self: [] as number[] };
  for (let point = 0; point < trace.count; point++) {
    const above = trace.parent(point);
    const parent = above === NO_POINT ? -1 : boxOf[above];
    const key = (parent + 1) * kinds.count + kinds.of[point];
    let box = known.get(key);
    if (box === undefined) {
      box = grown.point.push(point) - 1;
      grown.points.push(0);
      grown.parent.push(parent);
      grown.self.push(0);
      known.set(key, box);
    }
    boxOf[point] = box;
    grown.points[box]++;
    grown.self[box] += trace.self(point);
  }
  return placed(grown);
}

/** Numbers the likenesses of the points. */
function kindsOf(trace: Trace): { of: Uint32Array; count: number } {
  const known = new Map<number, number>();
  const of = new Uint32Array(trace.count);
  for (let point = 0; point < trace.count; point++) {
    const key = trace.likeness(point);
    let kind = known.get(key);
    if (kind === undefined) {
      kind = known.size;
      known.set(key, kind);
    }
    of[point] = kind;
  }
  return { of, count: known.size };
}

function placed(grown: { point: number[]; points: number[]; parent: number[]; self: number[] }): Merged {
  const count = grown.point.length;
  const parent = Int32Array.from(grown.parent);
  const self = Float64Array.from(grown.self);
  const total = self.slice();
  const depth = new Uint32Array(count);
  let whole = 0;
  // Parents stand before their children here too.
  for (let box = count - 1; box >= 0; box--) {
    if (parent[box] >= 0) {
      total[parent[box]] += total[box];
    } else {
      whole += total[box];
    }
  }
  for (let box = 0; box < count; box++) {
    depth[box] = parent[box] < 0 ? 0 : depth[parent[box]] + 1;
  }
  const x = new Float64Array(count);
  const next = new Float64Array(count + 1);
  const order = Uint32Array.from({ length: count }, (_, box) => box).sort(
    (a, b) => depth[a] - depth[b] || total[b] - total[a] || a - b,
  );
  for (const box of order) {
    const above = parent[box] + 1;
    x[box] = (above === 0 ? 0 : x[parent[box]]) + next[above];
    next[above] += total[box];
  }
  return {
    count, parent, depth, self, total, x, whole,
    point: Uint32Array.from(grown.point),
    points: Uint32Array.from(grown.points),
    lines: linesOf(order, depth, x),
  };
}

function linesOf(order: Uint32Array, depth: Uint32Array, x: Float64Array): Merged["lines"] {
  const boxes = order.slice().sort((a, b) => depth[a] - depth[b] || x[a] - x[b] || a - b);
  const from = [0];
  boxes.forEach((box, at) => {
    while (from.length <= depth[box]) {
      from.push(at);
    }
  });
  from.push(boxes.length);
  return { boxes, from: Uint32Array.from(from) };
}
