import { expect, test } from "vitest";
import { type Comparison, compare, groups, verdict, verdictCounts, withoutValues } from "../src/model/compare.ts";
import { changedRows, foldedUnchanged } from "../src/layout/compared-rows.ts";
import { NO_POINT } from "../src/model/trace.ts";
import { traceOf } from "./traces.ts";

/** The merged tree as text: name, what became of it, and the times before and after. */
function shown(comparison: Comparison): string {
  const { before, after, pointBefore, pointAfter, depth } = comparison;
  return Array.from({ length: comparison.count }, (_, node) => {
    const [one, other] = [pointBefore[node], pointAfter[node]];
    const name = other === NO_POINT ? before.name(one) : after.name(other);
    const was = one === NO_POINT ? "-" : before.finish(one) - before.start(one);
    const is = other === NO_POINT ? "-" : after.finish(other) - after.start(other);
    return `${"  ".repeat(depth[node])}${name} ${verdict(comparison, node)} ${was} ${is}`;
  }).join("\n");
}

const text = (lines: string) => {
  const rows = lines.split("\n").filter((line) => line.trim() !== "");
  const indent = Math.min(...rows.map((line) => line.search(/\S/)));
  return rows.map((line) => line.slice(indent)).join("\n");
};

const BEFORE = `
  wsgi 0-1000 api
    db 100-200 api SELECT a
    rpc 300-800 api
      db 400-500 compute SELECT x
      db 500-600 compute SELECT y
`;

test("a trace is the same as itself", () => {
  const comparison = compare(traceOf(BEFORE), traceOf(BEFORE));
  expect(verdictCounts(comparison)).toEqual({ same: 5, slower: 0, faster: 0, new: 0, gone: 0 });
  expect([...comparison.moved]).toEqual([0, 0, 0, 0, 0]);
});

test("what is slower, faster, new and gone is found, also behind an insertion", () => {
  const after = traceOf(`
    wsgi 0-1500 api
      db 50-90 api SELECT new
      db 100-200 api SELECT a
      rpc 300-1400 api
        db 400-1200 compute SELECT y
        log 1300-1310 compute
  `);
  expect(shown(compare(traceOf(BEFORE), after))).toBe(
    text(`
      wsgi slower 1000 1500
        db new - 40
        db same 100 100
        rpc slower 500 1100
          db slower 100 800
          db gone 100 -
          log new - 10
    `),
  );
});

test("of calls that look the same the first is compared with the first, and what is too many is new", () => {
  const before = traceOf(`
    a 0-100
      b 0-10
      b 10-30
  `);
  const after = traceOf(`
    a 0-100
      b 0-10
      b 10-30
      b 30-40
  `);
  expect(shown(compare(before, after))).toBe(
    text(`
      a same 100 100
        b same 10 10
        b same 20 20
        b new - 10
    `),
  );
});

test("calls that changed places are still the same calls", () => {
  const before = traceOf(`
    a 0-100
      b 0-10 s x
      c 10-60
      b 60-90 s y
  `);
  const after = traceOf(`
    a 0-100
      b 0-30 s y
      c 10-60
      b 60-70 s x
  `);
  const comparison = compare(before, after);
  expect(verdictCounts(comparison)).toMatchObject({ same: 4 });
});

test("a statement that changed is compared with the one it replaced", () => {
  const before = traceOf("a 0-100 s\n  db 0-10 s SELECT one");
  const after = traceOf("a 0-100 s\n  db 0-90 s SELECT two");
  expect(shown(compare(before, after))).toBe("a same 100 100\n  db slower 10 90");
});

test("calls of another service are not the same, but two single roots always are", () => {
  const before = traceOf("wsgi 0-100 api\n  http 10-20 nova");
  const after = traceOf("rest 0-100 api2\n  http 10-20 glance");
  expect(shown(compare(before, after))).toBe("rest same 100 100\n  http gone 10 -\n  http new - 10");
});

test("an empty trace has only what is new", () => {
  const nothing = traceOf("a 0-0");
  const comparison = compare(nothing, traceOf("b 0-5 other\nc 6-9 other"));
  expect(verdictCounts(comparison)).toEqual({ same: 0, slower: 0, faster: 0, new: 2, gone: 1 });
});

test("values are left out of what a point was about, words are not", () => {
  expect(withoutValues("GET /v2/images/7f3b2c1e-aaaa-4bbb-8ccc-0123456789ab?limit=20")).toBe("GET /v#/images/#?limit=#");
  expect(withoutValues("SELECT a FROM facade WHERE id = 'x y' AND n = 12")).toBe("SELECT a FROM facade WHERE id = # AND n = #");
  expect(withoutValues("deed added")).toBe("deed added");
});

test("only what changed, and what is above it, has rows, folded where nothing below changed", () => {
  const after = traceOf(`
    wsgi 0-1100 api
      db 100-200 api SELECT a
      rpc 300-900 api
        db 400-600 compute SELECT x
        db 600-700 compute SELECT y
  `);
  const comparison = compare(traceOf(BEFORE), after);
  const names = (rows: Uint32Array) => Array.from(rows, (node) => comparison.after.detail(comparison.pointAfter[node]) || comparison.after.name(comparison.pointAfter[node]));
  const folded = foldedUnchanged(comparison);
  expect(names(changedRows(comparison, folded, false))).toEqual(["wsgi", "rpc", "SELECT x"]);
  expect(names(changedRows(comparison, folded, true))).toEqual(["wsgi", "SELECT a", "rpc", "SELECT x", "SELECT y"]);
  expect(names(changedRows(comparison, folded.map(() => 1), true))).toEqual(["wsgi"]);
  const same = compare(traceOf(BEFORE), traceOf(BEFORE));
  expect(changedRows(same, foldedUnchanged(same), false).length).toBe(0);
});

test("groups sum up what is done often, and their changes add up to that of all self time", () => {
  const after = traceOf(`
    wsgi 0-1000 api
      db 100-150 api SELECT a
      db 150-200 api SELECT a
      db 200-600 api SELECT a
  `);
  const comparison = compare(traceOf(BEFORE), after);
  const [first, second] = groups(comparison);
  expect(first).toMatchObject({ name: "db", before: { points: 1, self: 100 }, after: { points: 3, self: 500 }, change: 400 });
  expect(comparison.after.detail(comparison.pointAfter[first.node])).toBe("SELECT a");
  expect(second).toMatchObject({ name: "rpc", change: -300, after: { points: 0 } });
  const all = groups(comparison).reduce((sum, { change }) => sum + change, 0);
  expect(all).toBe(comparison.selfChange.reduce((sum, change) => sum + change, 0));
  expect(all).toBe(0);
});

test("fifty thousand siblings, or points one below the other, take no second", () => {
  const flat = `a 0-1000000\n${Array.from({ length: 50_000 }, (_, at) => `  b 0-${at + 1} s call ${at % 97}`).join("\n")}`;
  const deep = Array.from({ length: 3_000 }, (_, at) => `${"  ".repeat(at)}c 0-9`).join("\n");
  for (const lines of [flat, deep]) {
    const [before, after] = [traceOf(lines), traceOf(lines)];
    const begun = performance.now();
    const comparison = compare(before, after);
    groups(comparison);
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(verdictCounts(comparison).same).toBe(before.count);
  }
});
