// The boxes of a flame graph that are in view, as wide as pixels: what is narrower than one is drawn once.

import { type Range, toPixel, toTime } from "./range.ts";

export interface Box {
  /** A point, or a box of a merged graph. */
  item: number;
  line: number;
  x: number;
  width: number;
}

export interface BoxSource {
  /** Items by line, and where each line begins; in a line they neither overlap nor go back. */
  items: Uint32Array;
  from: Uint32Array;
  start(item: number): number;
  finish(item: number): number;
}

/** Narrower boxes are drawn this wide, and hide those that begin within. */
const NARROW = 0.8;

/** The boxes of the lines from `first` up to, but not with, `end`. */
export function boxes(source: BoxSource, range: Range, width: number, first: number, end: number): Box[] {
  const out: Box[] = [];
  for (let line = Math.max(first, 0); line < Math.min(end, source.from.length - 1); line++) {
    const to = source.from[line + 1];
    let at = firstEndingAfter(source, source.from[line], to, range.from);
    while (at < to && source.start(source.items[at]) < range.to) {
      const item = source.items[at];
      const x = toPixel(range, width, source.start(item));
      const right = toPixel(range, width, source.finish(item));
      out.push({ item, line, x, width: Math.max(right - x, NARROW) });
      at = right - x < NARROW ? Math.max(at + 1, firstEndingAfter(source, at, to, toTime(range, width, x + NARROW))) : at + 1;
    }
  }
  return out;
}

function firstEndingAfter({ items, finish }: BoxSource, low: number, high: number, time: number): number {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (finish(items[middle]) < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
