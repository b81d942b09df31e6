// What follows from the columns, computed once, before anything is drawn. One pass each, whatever the depth.

import type { Columns } from "../data/columns.ts";

export const FLAG = { error: 1, unfinished: 2, startMissing: 4, orphan: 8, cycle: 16, textId: 32 } as const;

export interface Derived {
  /** When each point ended; the end of the trace while it is unfinished. */
  finish: Float64Array;
  /** What of its time no child covers. */
  self: Float64Array;
  /** How many points enclose it. */
  depth: Uint32Array;
  /** Where the first point stands that is not below it. */
  next: Uint32Array;
  /** 1 where a point ran at the same time as a sibling. */
  isParallel: Uint8Array;
}

export function derive(columns: Columns): Derived {
  const finish = finishes(columns);
  return {
    finish,
    self: selfTimes(columns, finish),
    depth: depths(columns.parent),
    next: ends(columns.parent),
    isParallel: parallels(columns, finish),
  };
}

function finishes({ header, start, duration, flags }: Columns): Float64Array {
  return start.map((start, point) =>
    flags[point] & FLAG.unfinished
      ? Math.max(start, header.duration_us)
      : start + Math.max(0, duration[point]),
  );
}

/** Length less the union of the children's intervals. Siblings come in the order of their starts. */
function selfTimes({ parent, start, flags }: Columns, finish: Float64Array): Float64Array {
  const self = start.map((start, point) => (flags[point] & FLAG.unfinished ? 0 : finish[point] - start));
  const coveredTo = start.slice();
  for (let point = 0; point < start.length; point++) {
    const above = parent[point];
    // What an unfinished point did by itself nobody knows, nor what it hides of its parent.
    if (above < 0 || flags[above] & FLAG.unfinished) {
      continue;
    }
    const end = flags[point] & FLAG.unfinished ? start[point] : finish[point];
    const from = Math.max(start[point], coveredTo[above]);
    const to = Math.min(end, finish[above]);
    if (to > from) {
      self[above] -= to - from;
      coveredTo[above] = to;
    }
  }
  return self;
}

function depths(parent: Int32Array): Uint32Array {
  const depth = new Uint32Array(parent.length);
  for (let point = 0; point < parent.length; point++) {
    depth[point] = parent[point] < 0 ? 0 : depth[parent[point]] + 1;
  }
  return depth;
}

function ends(parent: Int32Array): Uint32Array {
  const next = Uint32Array.from(parent, (_, point) => point + 1);
  for (let point = parent.length - 1; point >= 0; point--) {
    const above = parent[point];
    if (above >= 0 && next[above] < next[point]) {
      next[above] = next[point];
    }
  }
  return next;
}

/** Both of two siblings that overlap. Roots are siblings too. */
function parallels({ parent, start }: Columns, finish: Float64Array): Uint8Array {
  const isParallel = new Uint8Array(start.length);
  const latest = new Int32Array(start.length + 1).fill(-1);
  for (let point = 0; point < start.length; point++) {
    const group = parent[point] + 1;
    const before = latest[group];
    if (before >= 0 && start[point] < finish[before] && start[point] < finish[point]) {
      isParallel[point] = isParallel[before] = 1;
    }
    if (before < 0 || finish[point] > finish[before]) {
      latest[group] = point;
    }
  }
  return isParallel;
}
