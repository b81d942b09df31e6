// Sums over points that have something in common.

import { KIND, type Trace } from "./trace.ts";

export const DIMENSIONS = ["name", "service", "host", "statement", "function"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export interface Group {
  label: string;
  /** A search that finds its points. */
  query: string;
  count: number;
  errors: number;
  /** Microseconds, of the points that have both records. */
  total: number;
  self: number;
  p50: number;
  p95: number;
  p99: number;
}

/** The groups in which there are points; those with a 0 in `only` do not count. */
export function groups(trace: Trace, dimension: Dimension, only: Uint8Array | null): Group[] {
  const keys = keysOf(trace, dimension);
  const placeOf = new Map<number, number>();
  const groupOf = new Int32Array(trace.count).fill(-1);
  const counts: number[] = [];
  for (let point = 0; point < trace.count; point++) {
    const key = keys(point);
    if (key < 0 || (only && !only[point])) {
      continue;
    }
    let place = placeOf.get(key);
    if (place === undefined) {
      place = counts.push(0) - 1;
      placeOf.set(key, place);
    }
    groupOf[point] = place;
    counts[place]++;
  }
  const out = [...placeOf.keys()].map((key, place) => emptyGroup(trace, dimension, key, counts[place]));
  addTimes(trace, groupOf, counts, out);
  return out;
}

function keysOf(trace: Trace, dimension: Dimension): (point: number) => number {
  const { name, kind, detail } = trace.columns;
  const ofKind = (wanted: number) => (point: number) => (kind[point] === wanted ? detail[point] : -1);
  switch (dimension) {
    case "name":
      return (point) => name[point];
    case "service":
      return (point) => trace.serviceOf[point];
    case "host":
      return (point) => trace.hostOf[point];
    case "statement":
      return ofKind(KIND.statement);
    case "function":
      return ofKind(KIND.function);
  }
}

function emptyGroup(trace: Trace, dimension: Dimension, key: number, count: number): Group {
  const labels = { service: trace.services, host: trace.hosts }[dimension as string];
  const label = labels ? labels[key] : trace.text(key);
  const field = dimension === "statement" || dimension === "function" ? "detail" : dimension;
  return {
    label,
    query: `${field}:${quoted(label)}`,
    count,
    errors: 0,
    total: 0,
    self: 0,
    p50: 0,
    p95: 0,
    p99: 0,
  };
}

/** As the search takes it: in quotes where there is more than a word. */
export function quoted(value: string): string {
  return /^[\w./-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

/** The durations of each group next to each other, so that each can be sorted by itself. */
function addTimes(trace: Trace, groupOf: Int32Array, counts: number[], out: Group[]): void {
  const from = new Uint32Array(counts.length + 1);
  counts.forEach((count, place) => (from[place + 1] = from[place] + count));
  const filled = from.slice();
  const durations = new Float64Array(from[counts.length]);
  for (let point = 0; point < trace.count; point++) {
    const place = groupOf[point];
    if (place < 0) {
      continue;
    }
    const group = out[place];
    group.errors += trace.is(point, "error") ? 1 : 0;
    group.self += trace.self(point);
    const duration = trace.duration(point);
    if (duration !== null) {
      group.total += duration;
      durations[filled[place]++] = duration;
    }
  }
  out.forEach((group, place) => {
    const sorted = durations.subarray(from[place], filled[place]).sort();
    [group.p50, group.p95, group.p99] = [50, 95, 99].map((percent) => percentile(sorted, percent));
  });
}

/** The least value that so many percent do not exceed. */
export function percentile(sorted: Float64Array, percent: number): number {
  return sorted.length === 0 ? 0 : sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}
