// What a reader has to know before trusting or reading a trace: what failed, and what is missing of it.

import { count, duration, plural } from "../text/units.ts";
import { FLAG } from "./derive.ts";
import { NO_POINT, type Trace } from "./trace.ts";

export interface Note {
  text: string;
  tone: "bad" | "odd";
  /** The first point that shows it. */
  point: number;
  /** A search for all of them; empty if there is none. */
  query: string;
}

/** The worst first. */
export function notes(trace: Trace): Note[] {
  const { counts } = trace.derived;
  const { dropped, unreadable, base_ids, outside_us, duration_us } = trace.header;
  const flagged = (flag: keyof typeof FLAG, tone: Note["tone"], query: string, text: (count: number) => string): Note | false =>
    counts[flag] > 0 && { text: text(counts[flag]), tone, query, point: first(trace, (point) => trace.is(point, flag)) };
  const plain = (isSo: boolean, tone: Note["tone"], text: string): Note | false =>
    isSo && { text, tone, query: "", point: NO_POINT };
  const setBack = first(trace, (point) => (trace.duration(point) ?? 0) < 0);
  const all = [
    flagged("error", "bad", "error:true", (count) => `${plural(count, "point")} failed`),
    plain(dropped > 0, "bad", `${plural(dropped, "record")} were dropped by the services: the trace is not whole`),
    flagged("unfinished", "odd", "unfinished:true", (count) => `${plural(count, "point")} did not stop`),
    flagged("startMissing", "odd", "", (count) => `${plural(count, "point")} without a start`),
    flagged("orphan", "odd", "orphan:true", (count) => `${plural(count, "point")} whose caller is unknown`),
    flagged("cycle", "odd", "", (count) => `${plural(count, "point")} said to enclose itself`),
    plain(unreadable > 0, "odd", `${plural(unreadable, "record")} could not be read`),
    plain(base_ids > 1, "odd", `records of ${count(base_ids)} traces`),
    setBack !== NO_POINT && ({ text: "a clock was set back meanwhile", tone: "odd", query: "", point: setBack } as Note),
    plain(outside_us > duration_us / 20, "odd", `no point ran for ${duration(outside_us)} in all`),
  ];
  return all.filter((note) => note !== false);
}

function first(trace: Trace, isSo: (point: number) => boolean): number {
  for (let point = 0; point < trace.count; point++) {
    if (isSo(point)) {
      return point;
    }
  }
  return NO_POINT;
}
