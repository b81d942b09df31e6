// Which points are rows, as far as they are not folded away.

import type { Trace } from "../model/trace.ts";

/** A byte for each point: 1 where what is below it is folded away. */
export type Folded = Uint8Array;

/** The points that show, in the order of the tree. `only` keeps those with a 1, and their ancestors. */
export function visibleRows(trace: Trace, folded: Folded, only: Uint8Array | null): Uint32Array {
  const keep = only && withAncestors(trace, only);
  const rows = new Uint32Array(trace.count);
  const { next } = trace.derived;
  let count = 0;
  for (let point = 0; point < trace.count; point = folded[point] && !keep ? next[point] : point + 1) {
    if (!keep || keep[point]) {
      rows[count++] = point;
    }
  }
  return rows.slice(0, count);
}

function withAncestors(trace: Trace, only: Uint8Array): Uint8Array {
  const keep = only.slice();
  const { parent } = trace.columns;
  for (let point = trace.count - 1; point >= 0; point--) {
    if (keep[point] && parent[point] >= 0) {
      keep[parent[point]] = 1;
    }
  }
  return keep;
}

/** Folds so that `levels` levels show. */
export function foldedBelow(trace: Trace, levels: number): Folded {
  const folded = new Uint8Array(trace.count);
  for (let point = 0; point < trace.count; point++) {
    folded[point] = trace.depth(point) + 1 >= levels && trace.hasChildren(point) ? 1 : 0;
  }
  return folded;
}

/** Children of one kind, such as statements, from which on they are folded away at first. */
const MANY = 8;
/** Traces of more points show their upper levels only. */
const LARGE = 20_000;

/** What is folded when a trace opens: long runs of points that call nothing, so that its structure shows. */
export function foldedAtFirst(trace: Trace): Folded {
  const folded = foldedBelow(trace, trace.count > LARGE ? 3 : Infinity);
  for (let point = 0; point < trace.count; point++) {
    const below = trace.derived.next[point] - point - 1;
    folded[point] ||= below >= MANY && onlyLeaves(trace, point) ? 1 : 0;
  }
  return folded;
}

function onlyLeaves(trace: Trace, point: number): boolean {
  for (let child = point + 1; child < trace.derived.next[point]; child++) {
    if (trace.hasChildren(child)) {
      return false;
    }
  }
  return true;
}

/** Where a point stands among the rows; -1 if it is not there. Rows are in ascending order. */
export function rowOf(rows: Uint32Array, point: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle] < point) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return rows[low] === point ? low : -1;
}

/** Folds or unfolds a point and all that is below it. */
export function foldSubtree(trace: Trace, folded: Folded, point: number, isFolded: boolean): Folded {
  const changed = folded.slice();
  for (let at = point; at < trace.derived.next[point]; at++) {
    changed[at] = isFolded && trace.hasChildren(at) ? 1 : 0;
  }
  return changed;
}

/** Unfolds what stands above a point. */
export function revealed(trace: Trace, folded: Folded, point: number): Folded {
  const hidden = trace.ancestors(point).filter((above) => folded[above]);
  if (hidden.length === 0) {
    return folded;
  }
  const changed = folded.slice();
  hidden.forEach((above) => (changed[above] = 0));
  return changed;
}
