// The JSON trace events of Perfetto and Chrome.

import { NO_POINT, type Trace } from "../model/trace.ts";
import { oneLine } from "../text/clean.ts";
import { utcMicros } from "../text/time.ts";
import { type Lanes, lanesOf } from "./lanes.ts";
import { label, marks } from "./points.ts";

export function* perfetto(trace: Trace): Generator<string> {
  const { base_id, started_us } = trace.header;
  const head = { displayTimeUnit: "ms", otherData: { base_id: base_id ?? "", started: utcMicros(started_us) } };
  yield `${JSON.stringify(head).slice(0, -1)},"traceEvents":[`;
  let comma = "";
  for (const event of events(trace, lanesOf(trace))) {
    yield `${comma}\n${JSON.stringify(event)}`;
    comma = ",";
  }
  yield "\n]}\n";
}

function* events(trace: Trace, lanes: Lanes): Generator<object> {
  for (const [process, name] of lanes.processes.entries()) {
    yield { ph: "M", name: "process_name", pid: process + 1, args: { name } };
  }
  for (const [at, lane] of lanes.lanes.entries()) {
    const [pid, tid] = [lane.process + 1, at + 1];
    yield { ph: "M", name: "thread_name", pid, tid, args: { name: lane.number === 0 ? "calls" : "at the same time" } };
    for (const { point } of lane.spans) {
      yield slice(trace, lanes, point, pid, tid);
    }
  }
  for (let point = 0; point < trace.count; point++) {
    yield* arrow(trace, lanes, point);
  }
}

function slice(trace: Trace, { ends }: Lanes, point: number, pid: number, tid: number): object {
  const args: Record<string, string> = { id: trace.id(point) };
  const put = (key: string, text: string) => text !== "" && (args[key] = text);
  put("detail", trace.detail(point));
  put("error", trace.error(point));
  marks(trace, point).forEach((mark) => put("mark", mark));
  const ts = trace.start(point);
  return { ph: "X", name: label(trace, point), cat: oneLine(trace.name(point)), pid, tid, ts, dur: ends[point] - ts, args };
}

/** From a point to one below it on another track; an arrow begins within a slice. */
function* arrow(trace: Trace, { lanes, laneOf, ends }: Lanes, point: number): Generator<object> {
  const parent = trace.parent(point);
  const at = trace.start(point);
  if (parent === NO_POINT || laneOf[parent] === laneOf[point] || at < trace.start(parent) || at > ends[parent]) {
    return;
  }
  const end = (lane: number) => ({ name: "call", cat: "call", id: point, pid: lanes[lane].process + 1, tid: lane + 1, ts: at });
  yield { ph: "s", ...end(laneOf[parent]) };
  yield { ph: "f", bp: "e", ...end(laneOf[point]) };
}
