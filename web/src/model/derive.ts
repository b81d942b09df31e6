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
  /** Where each point ran: indexes of places. */
  serviceOf: Uint32Array;
  hostOf: Uint32Array;
  /** The places, as texts of which they are made, in the order of their first points. */
  services: number[][];
  hosts: number[][];
  /** How many points have each flag. */
  counts: Record<keyof typeof FLAG, number>;
}

export function derive(columns: Columns): Derived {
  const finish = finishes(columns);
  const services = places(columns, columns.project, columns.service);
  const hosts = places(columns, columns.host, columns.host);
  return {
    finish,
    self: selfTimes(columns, finish),
    depth: depths(columns.parent),
    next: ends(columns.parent),
    isParallel: parallels(columns, finish),
    serviceOf: services.of,
    services: services.texts,
    hostOf: hosts.of,
    hosts: hosts.texts.map(([host]) => [host]),
    counts: flagCounts(columns.flags),
  };
}

function finishes({ header, start, duration, flags }: Columns): Float64Array {
  const finish = new Float64Array(start.length);
  for (let point = 0; point < start.length; point++) {
    finish[point] =
      flags[point] & FLAG.unfinished
        ? Math.max(start[point], header.duration_us)
        : start[point] + Math.max(0, duration[point]);
  }
  return finish;
}

/** Length less the union of the children's intervals. Siblings come in the order of their starts. */
function selfTimes({ parent, start, flags }: Columns, finish: Float64Array): Float64Array {
  const self = new Float64Array(start.length);
  const coveredTo = start.slice();
  for (let point = 0; point < start.length; point++) {
    // What an unfinished point did by itself nobody knows, nor what it hides of its parent.
    const isUnfinished = (flags[point] & FLAG.unfinished) !== 0;
    const end = isUnfinished ? start[point] : finish[point];
    self[point] = end - start[point];
    const above = parent[point];
    if (above < 0 || flags[above] & FLAG.unfinished) {
      continue;
    }
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
  const next = new Uint32Array(parent.length);
  for (let point = parent.length - 1; point >= 0; point--) {
    next[point] = Math.max(next[point], point + 1);
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

/** Numbers the pairs of texts in the order in which they first took part. */
function places({ start }: Columns, a: Uint32Array, b: Uint32Array): { of: Uint32Array; texts: number[][] } {
  const known = new Map<number, number>();
  const found: { texts: number[]; start: number }[] = [];
  const of = new Uint32Array(start.length);
  for (let point = 0; point < start.length; point++) {
    const key = a[point] * 2 ** 26 + b[point];
    let place = known.get(key);
    if (place === undefined) {
      place = found.push({ texts: [a[point], b[point]], start: start[point] }) - 1;
      known.set(key, place);
    }
    found[place].start = Math.min(found[place].start, start[point]);
    of[point] = place;
  }
  const order = found.map((_, place) => place).sort((x, y) => found[x].start - found[y].start || x - y);
  const final = new Uint32Array(found.length);
  order.forEach((place, at) => (final[place] = at));
  for (let point = 0; point < of.length; point++) {
    of[point] = final[of[point]];
  }
  return { of, texts: order.map((place) => found[place].texts) };
}

function flagCounts(flags: Uint8Array): Derived["counts"] {
  const having = new Uint32Array(256);
  for (let point = 0; point < flags.length; point++) {
    having[flags[point]]++;
  }
  const count = (flag: number) => having.reduce((sum, count, flags) => sum + (flags & flag ? count : 0), 0);
  return Object.fromEntries(Object.entries(FLAG).map(([name, flag]) => [name, count(flag)])) as Derived["counts"];
}
