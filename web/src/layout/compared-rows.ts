// Which nodes of a comparison are rows.

import type { Comparison } from "../model/compare.ts";

/** Below this part of all that changed, a node counts as unchanged. */
const LITTLE = 0.005;

function isChanged({ moved, parent }: Comparison): (node: number) => boolean {
  const all = parent.reduce((sum, above, node) => (above < 0 ? sum + moved[node] : sum), 0);
  return (node) => moved[node] > 0 && moved[node] >= all * LITTLE;
}

/** Folds nodes below which nothing changed. */
export function foldedUnchanged(comparison: Comparison): Uint8Array {
  const { count, moved, selfChange, next } = comparison;
  const changed = isChanged(comparison);
  const isBelow = (node: number) => moved[node] - Math.abs(selfChange[node]);
  return Uint8Array.from({ length: count }, (_, node) =>
    next[node] > node + 1 && (!changed(node) || isBelow(node) < moved[node] * LITTLE) ? 1 : 0,
  );
}

/** The nodes that show, in the order of the tree; without `isAll`, those in which or below which time changed. */
export function changedRows(comparison: Comparison, folded: Uint8Array, isAll: boolean): Uint32Array {
  const { count, next } = comparison;
  const changed = isChanged(comparison);
  const rows = new Uint32Array(count);
  let size = 0;
  for (let node = 0; node < count; ) {
    const isRow = isAll || changed(node);
    if (isRow) {
      rows[size++] = node;
    }
    node = isRow && !folded[node] ? node + 1 : next[node];
  }
  return rows.slice(0, size);
}
