// Points on lanes, as tools that draw threads expect it: whatever shares a lane is nested or one after the
// other. docs/exports.md says which lane a point lies on.

import { NO_POINT, type Point, type Trace } from "../model/trace.ts";
import { oneLine } from "../text/clean.ts";
import { Heap } from "./heap.ts";
import { endOf } from "./points.ts";

export interface Lanes {
  /** Where points ran: project, service and host. */
  processes: string[];
  lanes: Lane[];
  /** The lane of each point. */
  laneOf: Int32Array;
  /** When each point ends; an unfinished one lasts as long as what is below it. */
  ends: Float64Array;
}

export interface Lane {
  process: number;
  /** Its number within its process. */
  number: number;
  /** By their start, each before what it encloses. */
  spans: { point: Point; depth: number }[];
}

/** The lanes of a process that are taken, by when they are free, and those that are free. */
interface Process {
  index: number;
  taken: Heap<[free: number, lane: number]>;
  free: Heap<[lane: number]>;
  lanes: number;
}

export function lanesOf(trace: Trace): Lanes {
  const ends = endsOf(trace);
  const { start } = trace.columns;
  const order = Array.from(start.keys());
  // Parents stay before children that start and end with them.
  order.sort((a, b) => start[a] - start[b] || ends[b] - ends[a] || a - b);
  const placing = new Placing(trace, ends);
  order.forEach((point) => placing.place(point));
  return placing.result;
}

function endsOf(trace: Trace): Float64Array {
  const ends = Float64Array.from({ length: trace.count }, (_, point) => endOf(trace, point));
  for (let point = trace.count - 1; point >= 0; point--) {
    const parent = trace.parent(point);
    if (parent !== NO_POINT && trace.is(parent, "unfinished")) {
      ends[parent] = Math.max(ends[parent], ends[point]);
    }
  }
  return ends;
}

class Placing {
  readonly result: Lanes;
  private readonly known = new Map<string, Process>();
  /** Of each lane, the points that are open. */
  private readonly open: Point[][] = [];

  constructor(
    private readonly trace: Trace,
    private readonly ends: Float64Array,
  ) {
    this.result = { processes: [], lanes: [], laneOf: new Int32Array(trace.count).fill(-1), ends };
  }

  place(point: Point): void {
    const process = this.process(point);
    const lane = this.laneOfParent(point, process) ?? this.freeLane(point, process);
    const open = this.open[lane];
    this.result.lanes[lane].spans.push({ point, depth: open.length });
    this.result.laneOf[point] = lane;
    open.push(point);
  }

  private process(point: Point): Process {
    const { project, service, host } = this.trace.columns;
    const key = [project[point], service[point], host[point]];
    let process = this.known.get(key.join());
    if (!process) {
      const index = this.result.processes.push(this.processName(key)) - 1;
      process = { index, taken: new Heap(), free: new Heap(), lanes: 0 };
      this.known.set(key.join(), process);
    }
    return process;
  }

  private processName([project, service, host]: number[]): string {
    const place = [project, service].filter((index) => index > 0).map((index) => this.trace.text(index));
    const name = place.length === 0 ? "no service" : place.join("/");
    return oneLine(host > 0 ? `${name} on ${this.trace.text(host)}` : name);
  }

  /** The lane of the enclosing point, if it encloses this one there and nothing is in between. */
  private laneOfParent(point: Point, process: Process): number | null {
    const parent = this.trace.parent(point);
    const lane = parent === NO_POINT ? -1 : this.result.laneOf[parent];
    if (lane < 0 || this.result.lanes[lane].process !== process.index) {
      return null;
    }
    const open = this.open[lane];
    const start = this.trace.start(point);
    while (open.length > 0 && open[open.length - 1] !== parent && this.ends[open[open.length - 1]] <= start) {
      open.pop();
    }
    return open[open.length - 1] === parent && this.ends[point] <= this.ends[parent] ? lane : null;
  }

  /** The first lane of a process on which nothing is open, or a new one; it is taken. */
  private freeLane(point: Point, process: Process): number {
    const { taken, free } = process;
    while (taken.least && taken.least[0] <= this.trace.start(point)) {
      free.push([(taken.pop() as [number, number])[1]]);
    }
    let lane = free.pop()?.[0];
    if (lane === undefined) {
      lane = this.result.lanes.push({ process: process.index, number: process.lanes++, spans: [] }) - 1;
    }
    this.open[lane] = [];
    taken.push([this.ends[point], lane]);
    return lane;
  }
}
