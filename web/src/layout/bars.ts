// The bars of the rows in view, in pixels.

import type { Trace } from "../model/trace.ts";
import { type Range, toPixel } from "./range.ts";

export interface Bar {
  point: number;
  x: number;
  width: number;
  /** Stretches in which a child ran. */
  children: Span[];
  /** Whether the point has not stopped. */
  isOpenEnded: boolean;
}

export interface Span {
  x: number;
  width: number;
}

/** Children that are looked at; a bar with more is drawn as if the others were not there. */
const MAX_CHILDREN = 4000;

export function bar(trace: Trace, point: number, range: Range, width: number): Bar {
  const x = toPixel(range, width, trace.start(point));
  return {
    point,
    x,
    width: toPixel(range, width, trace.finish(point)) - x,
    children: childSpans(trace, point, range, width),
    isOpenEnded: trace.is(point, "unfinished"),
  };
}

/** Stretches of the children, those that touch as one. */
function childSpans(trace: Trace, point: number, range: Range, width: number): Span[] {
  const spans: Span[] = [];
  const end = trace.derived.next[point];
  let seen = 0;
  for (let child = point + 1; child < end && seen < MAX_CHILDREN; child = trace.derived.next[child], seen++) {
    const from = Math.max(trace.start(child), trace.start(point));
    const to = Math.min(trace.finish(child), trace.finish(point));
    if (to <= range.from || from >= range.to || to <= from) {
      continue;
    }
    const [x, right] = [toPixel(range, width, from), toPixel(range, width, to)];
    const last = spans[spans.length - 1];
    if (last && x <= last.x + last.width + 0.5) {
      last.width = Math.max(last.width, right - last.x);
    } else {
      spans.push({ x, width: right - x });
    }
  }
  return spans;
}
