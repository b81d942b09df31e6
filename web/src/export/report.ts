// The report as JSON: docs/report.md.

import type { Texts } from "../data/records.ts";
import type { OpenTrace } from "../data/source.ts";
import type { Point, Trace } from "../model/trace.ts";

export async function report({ trace, allRecords }: Pick<OpenTrace, "trace" | "allRecords">): Promise<Iterable<string>> {
  return pieces(trace, await allRecords());
}

function* pieces(trace: Trace, texts: Texts[]): Generator<string> {
  yield `{"info":${JSON.stringify(headInfo(trace))},"children":[`;
  let open = 0;
  for (let point = 0; point < trace.count; point++) {
    const depth = trace.depth(point);
    yield depth === open ? "\n" : `${"]}".repeat(open - depth)},\n`;
    yield `${node(trace, point, texts[point])},"children":[`;
    open = depth + 1;
  }
  yield `${"]}".repeat(open)}],"stats":${JSON.stringify(stats(trace))}}\n`;
}

const ms = (us: number): number => Math.trunc(us / 1000);

function headInfo(trace: Trace): object {
  const { header, columns, count } = trace;
  const having = (bit: number) => columns.flags.reduce((sum, flags) => sum + (flags & bit ? 1 : 0), 0);
  const last = columns.start.reduce((last, start, point) => (trace.is(point, "startMissing") ? last : Math.max(last, start)), -Infinity);
  return {
    name: "total",
    started: 0,
    finished: count > 0 ? ms(header.duration_us) : null,
    last_trace_started: last === -Infinity ? null : ms(last),
    ...(header.base_id !== null && { base_id: header.base_id, timestamp: header.started }),
    duration_us: header.duration_us,
    points: count,
    records: header.records,
    errors: having(1),
    unfinished: having(2),
    orphans: having(8),
    unreadable: header.unreadable,
    dropped: header.dropped,
  };
}

/** A node without its children and its end. The records stand in it as they came. */
function node(trace: Trace, point: Point, { start, stop }: Texts): string {
  const { columns } = trace;
  const name = trace.name(point);
  const text = (index: number) => (index > 0 ? trace.text(index) : null);
  const place = { name, project: text(columns.project[point]), service: text(columns.service[point]), host: text(columns.host[point]) };
  const payload = (phase: string, json: string) => json && `,${JSON.stringify(`meta.raw_payload.${name}-${phase}`)}:${json}`;
  const from = trace.start(point);
  const to = stop === "" ? null : from + columns.duration[point];
  const times = { started: ms(from), finished: ms(to ?? from), ...(stop !== "" && { exception: exception(trace, point, stop) }) };
  const us = trace.duration(point);
  const rest = {
    trace_id: trace.id(point),
    parent_id: trace.parentId(point),
    started_us: from,
    ...(to !== null && { finished_us: to }),
    ...(us !== null && { duration_us: us }),
    ...(trace.is(point, "startMissing") && { start_missing: true }),
    ...(trace.is(point, "unfinished") && { unfinished: true }),
    ...(trace.is(point, "orphan") && { orphan: true }),
    ...(trace.is(point, "cycle") && { cycle: true }),
  };
  const members = (object: object) => JSON.stringify(object).slice(1, -1);
  return `{"info":{${members(place)}${payload("start", start)}${payload("stop", stop)},${members(times)}},${members(rest)}`;
}

function exception(trace: Trace, point: Point, stop: string): unknown {
  return trace.is(point, "error") ? (JSON.parse(stop) as { info: { etype: unknown } }).info.etype : "None";
}

/** Sums by name. */
function stats(trace: Trace): object {
  const sums = new Map<string, { count: number; duration: number; duration_us: number; self_us: number; errors: number; unfinished: number }>();
  for (let point = 0; point < trace.count; point++) {
    const name = trace.name(point);
    const sum = sums.get(name) ?? { count: 0, duration: 0, duration_us: 0, self_us: 0, errors: 0, unfinished: 0 };
    const from = trace.start(point);
    sum.count++;
    sum.duration += ms(from + trace.columns.duration[point]) - ms(from);
    sum.duration_us += trace.duration(point) ?? 0;
    sum.self_us += trace.self(point);
    sum.errors += trace.is(point, "error") ? 1 : 0;
    sum.unfinished += trace.is(point, "unfinished") ? 1 : 0;
    sums.set(name, sum);
  }
  return Object.fromEntries(sums);
}
