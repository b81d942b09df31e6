// The file format of https://www.speedscope.app.

import type { Trace } from "../model/trace.ts";
import { type Lane, type Lanes, lanesOf } from "./lanes.ts";
import { label } from "./points.ts";

export function* speedscope(trace: Trace): Generator<string> {
  const lanes = lanesOf(trace);
  const frames = new Map<string, number>();
  const name = trace.header.base_id === null ? "" : `trace ${trace.header.base_id}`;
  const head = { $schema: "https://www.speedscope.app/file-format-schema.json", exporter: "osprofiler", name, activeProfileIndex: 0 };
  yield `${JSON.stringify(head).slice(0, -1)},"profiles":[`;
  for (const [at, lane] of lanes.lanes.entries()) {
    yield `${at === 0 ? "" : ","}\n${JSON.stringify(profile(trace, lanes, lane, frames))}`;
  }
  yield `],"shared":${JSON.stringify({ frames: [...frames.keys()].map((name) => ({ name })) })}}\n`;
}

function profile(trace: Trace, { processes, ends }: Lanes, lane: Lane, frames: Map<string, number>): object {
  const events: object[] = [];
  const open: { frame: number; end: number }[] = [];
  let endValue = 0;
  const close = (depth: number) => {
    while (open.length > depth) {
      const { frame, end } = open.pop() as { frame: number; end: number };
      events.push({ type: "C", frame, at: end });
    }
  };
  for (const { point, depth } of lane.spans) {
    close(depth);
    const name = label(trace, point);
    const frame = frames.get(name) ?? frames.size;
    frames.set(name, frame);
    events.push({ type: "O", frame, at: trace.start(point) });
    open.push({ frame, end: ends[point] });
    endValue = Math.max(endValue, ends[point]);
  }
  close(0);
  const process = processes[lane.process];
  return {
    type: "evented",
    name: lane.number === 0 ? process : `${process}, at the same time (${lane.number + 1})`,
    unit: "microseconds",
    // Spans come by their start.
    startValue: trace.start(lane.spans[0].point),
    endValue,
    events,
  };
}
