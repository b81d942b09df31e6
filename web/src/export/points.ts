// What several formats say of a point.

import type { Point, Trace } from "../model/trace.ts";
import { oneLine } from "../text/clean.ts";

const MAX_LABEL = 160;

/** Its name, and what it was about. */
export function label(trace: Trace, point: Point): string {
  return cut(`${oneLine(trace.name(point))} ${trace.brief(point)}`.trimEnd(), MAX_LABEL);
}

/** The first characters of a text; an ellipsis stands for the others. */
export function cut(text: string, most: number): string {
  if (text.length <= most) {
    return text;
  }
  const characters = [...text.slice(0, 2 * most + 2)];
  return characters.length <= most ? text : `${characters.slice(0, most).join("")}…`;
}

/** `project/service`, as far as there is one. */
export function placeOf(trace: Trace, point: Point): string {
  const { project, service } = trace.columns;
  const parts = [project[point], service[point]].filter((index) => index > 0);
  return oneLine(parts.map((index) => trace.text(index)).join("/"));
}

/** When a point ended; an unfinished one, and one whose clock was set back, is an instant. */
export function endOf({ columns }: Trace, point: Point): number {
  return columns.start[point] + Math.max(columns.duration[point], 0);
}

export function marks(trace: Trace, point: Point): string[] {
  const all = [
    ["unfinished", "unfinished"],
    ["startMissing", "start missing"],
    ["orphan", "orphan"],
    ["cycle", "its own ancestor"],
  ] as const;
  return all.filter(([flag]) => trace.is(point, flag)).map(([, mark]) => mark);
}
