// Reads what the report crate wrote: tests/data/token-issue.columns.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { base64Bytes, type Bytes, plainBytes } from "../src/data/bytes.ts";
import { decode, FormatError } from "../src/data/columns.ts";
import { restored, type Texts, textsOfPoint } from "../src/data/records.ts";
import { search } from "../src/data/search.ts";
import { Varints } from "../src/data/varints.ts";
import { derive } from "../src/model/derive.ts";
import { NO_POINT, Trace } from "../src/model/trace.ts";

const data = (name: string) => readFileSync(new URL(`../../tests/data/${name}`, import.meta.url));
const file = data("token-issue.columns");
const records = data("traces/token-issue.records.jsonl").toString().trim().split("\n");
const bytes = plainBytes(Uint8Array.from(file).buffer);
const { columns, blocks } = await decode(bytes);
const trace = new Trace(columns, derive(columns));

async function recordsOf(point: number): Promise<Texts> {
  const texts = await textsOfPoint(bytes, blocks, point);
  return restored(texts ?? { start: "", stop: "" }, trace.known(point));
}

test("every record comes back as it came, under the right point", async () => {
  const found = [];
  for (let point = 0; point < trace.count; point++) {
    const { start, stop } = await recordsOf(point);
    expect(JSON.parse(start)).toMatchObject({
      trace_id: trace.id(point),
      parent_id: trace.parentId(point),
      name: `${trace.name(point)}-start`,
      project: "keystone",
    });
    found.push(start, stop);
  }
  expect(found.sort()).toEqual(records.sort());
});

test("times are those of the records", async () => {
  for (let point = 0; point < trace.count; point++) {
    const { start, stop } = await recordsOf(point);
    const [started, stopped] = [start, stop].map((record) => JSON.parse(record).timestamp);
    expect(trace.known(point)).toMatchObject({ started, stopped });
  }
});

test("points are found by their ids", () => {
  expect(trace.pointOf(trace.id(7))).toBe(7);
  expect(trace.pointOf("7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c")).toBe(NO_POINT);
  expect(trace.pointOf("no id")).toBe(NO_POINT);
});

test("base64 gives the same bytes, wherever a piece begins", () => {
  const packed: Bytes = base64Bytes(file.toString("base64"));
  expect(packed.size).toBe(file.length);
  for (const [from, to] of [[0, 1], [1, 4], [2, 100], [file.length - 5, file.length], [3, 3]]) {
    expect(Buffer.from(packed.read(from, to))).toEqual(file.subarray(from, to));
  }
});

test("a search looks through all records", async () => {
  const found = await search(bytes, blocks, trace.count, { pattern: "federated_user", path: ["db", "statement"] });
  const points = [...found].flatMap((one, point) => (one ? [point] : []));
  expect(points.length).toBeGreaterThan(0);
  expect(points.every((point) => trace.detail(point).includes("federated_user"))).toBe(true);
});

test("what is no trace, or of a later format, is refused with words", async () => {
  const refused = (text: string) => expect(decode(plainBytes(new TextEncoder().encode(text).buffer))).rejects;
  await refused("<!DOCTYPE html>").toThrow(FormatError);
  const later = '{"version":2}';
  await refused(`OSPCOLS1${String.fromCharCode(later.length)}\0\0\0${later}`).toThrow("the trace has format 2, this page reads format 1");
});

test("numbers of any size are read", () => {
  const numbers = new Varints(Uint8Array.of(0x7f, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f));
  expect([numbers.next(), numbers.next(), numbers.next()]).toEqual([127, 128, 2 ** 46 - 1]);
  const signed = new Varints(Uint8Array.of(0, 1, 2, 3));
  expect([signed.nextSigned(), signed.nextSigned(), signed.nextSigned(), signed.nextSigned()]).toEqual([0, -1, 1, -2]);
});
