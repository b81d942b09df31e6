// What each service did when, in as many cells as there are pixels.

import type { CriticalPath } from "../model/critical.ts";
import { NO_POINT, type Trace } from "../model/trace.ts";

export interface Lane {
  /** Of each cell, how much the service was at work itself, from 0 to 1. */
  busy: Float32Array;
  /** 1 for each cell in which a point of it was open, at work or waiting for others. */
  isOpen: Uint8Array;
  /** 1 for each cell in which a point failed. */
  hasError: Uint8Array;
}

/** A lane for each number that `laneOf` gives, over the whole trace. */
export function lanes(trace: Trace, laneOf: Uint32Array, laneCount: number, cells: number): Lane[] {
  const open = Array.from({ length: laneCount }, () => new Int32Array(cells + 1));
  const out = Array.from({ length: laneCount }, () => ({
    busy: new Float32Array(cells),
    isOpen: new Uint8Array(cells),
    hasError: new Uint8Array(cells),
  }));
  const scale = cells / Math.max(trace.header.duration_us, 1);
  const cell = (us: number) => Math.min(cells - 1, Math.max(0, Math.floor(us * scale)));
  for (let point = 0; point < trace.count; point++) {
    const lane = laneOf[point];
    const [first, last] = [cell(trace.start(point)), cell(trace.finish(point))];
    open[lane][first]++;
    open[lane][last + 1]--;
    if (trace.is(point, "error")) {
      out[lane].hasError[last] = 1;
    }
  }
  selfSpans(trace, (point, from, to) => fill(out[laneOf[point]].busy, from * scale, to * scale));
  out.forEach((lane, at) => {
    let depth = 0;
    for (let cell = 0; cell < cells; cell++) {
      depth += open[at][cell];
      lane.isOpen[cell] = depth > 0 ? 1 : 0;
    }
  });
  return out;
}

/** For each lane, the cells in which everything waited for a point of it. */
export function criticalCells(trace: Trace, path: CriticalPath, laneOf: Uint32Array, laneCount: number, cells: number): Uint8Array[] {
  const out = Array.from({ length: laneCount }, () => new Uint8Array(cells));
  const scale = cells / Math.max(trace.header.duration_us, 1);
  path.point.forEach((point, step) => {
    if (point >= 0) {
      const last = Math.max(Math.ceil(path.to[step] * scale), Math.floor(path.from[step] * scale) + 1);
      out[laneOf[point]].fill(1, Math.floor(path.from[step] * scale), last);
    }
  });
  return out;
}

/** Adds a stretch to the cells that it covers, each by as much as it covers. */
function fill(cells: Float32Array, from: number, to: number): void {
  const last = Math.min(cells.length - 1, Math.floor(to));
  for (let cell = Math.max(0, Math.floor(from)); cell <= last; cell++) {
    cells[cell] = Math.min(1, cells[cell] + Math.min(to, cell + 1) - Math.max(from, cell));
  }
}

/** Visits each stretch in which a point ran and none of its children did. */
export function selfSpans(trace: Trace, visit: (point: number, from: number, to: number) => void): void {
  const { finish } = trace.derived;
  const { parent, start } = trace.columns;
  const coveredTo = start.slice();
  for (let point = 0; point < trace.count; point++) {
    const above = parent[point];
    if (above === NO_POINT) {
      continue;
    }
    const from = Math.min(start[point], finish[above]);
    if (from > coveredTo[above]) {
      visit(above, coveredTo[above], from);
    }
    coveredTo[above] = Math.max(coveredTo[above], Math.min(finish[point], finish[above]));
  }
  for (let point = 0; point < trace.count; point++) {
    if (finish[point] > coveredTo[point] && !trace.is(point, "unfinished")) {
      visit(point, coveredTo[point], finish[point]);
    }
  }
}
