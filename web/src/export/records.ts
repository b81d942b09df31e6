// The records themselves, one on a line, oldest first.

import type { OpenTrace } from "../data/source.ts";

export async function records({ trace, allRecords }: Pick<OpenTrace, "trace" | "allRecords">): Promise<Iterable<string>> {
  const all = (await allRecords()).flatMap(({ start, stop }, point) => [
    { text: start, at: trace.start(point) },
    { text: stop, at: trace.is(point, "startMissing") ? trace.start(point) : trace.start(point) + trace.columns.duration[point] },
  ]);
  const oldestFirst = all.filter(({ text }) => text !== "").sort((a, b) => a.at - b.at);
  // What breaks lines is space: within a string, JSON has it escaped.
  return oldestFirst.map(({ text }) => `${text.replace(/[\r\n]/g, " ")}\n`);
}
