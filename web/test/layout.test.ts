import { expect, test } from "vitest";
import { bar } from "../src/layout/bars.ts";
import { boxes } from "../src/layout/boxes.ts";
import { graphLayout } from "../src/layout/graph.ts";
import { lanes } from "../src/layout/lanes.ts";
import { merge } from "../src/layout/merged.ts";
import { pack } from "../src/layout/pack.ts";
import { marks, stepOf, within, zoomed } from "../src/layout/range.ts";
import { foldedAtFirst, foldedBelow, foldSubtree, revealed, rowOf, visibleRows } from "../src/layout/rows.ts";
import type { Trace } from "../src/model/trace.ts";
import { callGraph } from "../src/model/calls.ts";
import { traceOf } from "./traces.ts";

const names = (trace: Trace, points: ArrayLike<number>) => Array.from(points, (point) => trace.name(point)).join(" ");

const tree = traceOf(`
  a 0-100
    b 10-40
      c 20-30
    d 50-60
  e 70-80
`);

test("folded points hide what is below them", () => {
  const none = foldedBelow(tree, Infinity);
  expect(names(tree, visibleRows(tree, none, null))).toBe("a b c d e");
  expect(names(tree, visibleRows(tree, foldedBelow(tree, 2), null))).toBe("a b d e");
  expect(names(tree, visibleRows(tree, foldSubtree(tree, none, 0, true), null))).toBe("a e");
  expect(names(tree, visibleRows(tree, revealed(tree, foldedBelow(tree, 1), 2), null))).toBe("a b c d e");
});

test("long runs of points that call nothing are folded at first", () => {
  const run = Array.from({ length: 8 }, (_, at) => `      db ${at}-${at + 1}`).join("\n");
  const trace = traceOf(`    a 0-100\n      b 0-50\n${run.replaceAll("      db", "        db")}\n      c 60-70`);
  expect(names(trace, visibleRows(trace, foldedAtFirst(trace), null))).toBe("a b c");
});

test("a filter keeps matches and what is above them, also where that is folded", () => {
  const rows = visibleRows(tree, foldedBelow(tree, 1), Uint8Array.from([0, 0, 1, 0, 0]));
  expect(names(tree, rows)).toBe("a b c");
  expect([rowOf(rows, 2), rowOf(rows, 3)]).toEqual([2, -1]);
});

test("zooming keeps the instant under the pointer, and stays within the trace", () => {
  const all = { from: 0, to: 1000 };
  expect(zoomed(all, 0.5, 250, all)).toEqual({ from: 125, to: 625 });
  expect(zoomed({ from: 0, to: 100 }, 100, 50, all)).toEqual(all);
  expect(within({ from: -50, to: 50 }, all)).toEqual({ from: 0, to: 100 });
  expect(within({ from: 500, to: 500 }, all)).toEqual({ from: 500, to: 502 });
});

test("marks are round and apart enough to be read", () => {
  expect(stepOf({ from: 0, to: 1000 }, 1000)).toBe(100);
  expect(stepOf({ from: 0, to: 8_000_000 }, 600)).toBe(2_000_000);
  expect([...marks({ from: 150, to: 420 }, 100)]).toEqual([200, 300, 400]);
});

test("a bar knows where its children ran, those that touch as one", () => {
  const trace = traceOf(`
    a 0-100
      b 10-20
      c 20-30
      d 50-120
  `);
  expect(bar(trace, 0, { from: 0, to: 200 }, 400)).toMatchObject({
    x: 0,
    width: 200,
    children: [{ x: 20, width: 40 }, { x: 100, width: 100 }],
  });
});

test("a service is busy where no child runs, and open also where it waits", () => {
  const trace = traceOf(`
    a 0-100 api
      b 25-75 db
  `);
  const [api, db] = lanes(trace, trace.serviceOf, 2, 4);
  expect([...api.busy]).toEqual([1, 0, 0, 1]);
  expect([...api.isOpen]).toEqual([1, 1, 1, 1]);
  expect([...db.busy]).toEqual([0, 1, 1, 0]);
});

test("what ran in parallel is packed into lines of its own, below its parent", () => {
  const trace = traceOf(`
    a 0-100
      b 0-50
        c 10-20
      d 30-60
      e 60-90
  `);
  const { points, from } = pack(trace);
  const lines = Array.from({ length: from.length - 1 }, (_, line) => names(trace, points.subarray(from[line], from[line + 1])));
  expect(lines).toEqual(["a", "b e", "c d"]);
});

test("packed lines never overlap, as a naive check shows", () => {
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  const lines = Array.from({ length: 300 }, () => random(1000)).sort((a, b) => a - b);
  const trace = traceOf(lines.map((start) => `p ${start}-${start + 1 + random(90)}`).join("\n"));
  const { points, from } = pack(trace);
  for (let line = 0; line + 1 < from.length; line++) {
    for (let at = from[line] + 1; at < from[line + 1]; at++) {
      expect(trace.finish(points[at - 1])).toBeLessThanOrEqual(trace.start(points[at]));
    }
  }
  let most = 0;
  for (let point = 0; point < trace.count; point++) {
    const now = trace.start(point);
    const open = Array.from({ length: trace.count }, (_, other) => trace.start(other) <= now && now < trace.finish(other));
    most = Math.max(most, open.filter(Boolean).length);
  }
  expect(from.length - 1).toBe(most);
});

test("merged boxes are as wide as the work below them, however parallel it was", () => {
  const trace = traceOf(`
    a 0-100
      b 0-60
      b 40-100
    a 200-210
  `);
  const merged = merge(trace);
  expect(merged.count).toBe(2);
  expect([...merged.points]).toEqual([2, 2]);
  expect([...merged.self]).toEqual([10, 120]);
  expect([...merged.total]).toEqual([130, 120]);
  expect(merged.whole).toBe(130);
});

test("of boxes narrower than a pixel one is drawn", () => {
  const starts = Array.from({ length: 10_000 }, (_, at) => at);
  const source = {
    items: Uint32Array.from(starts),
    from: Uint32Array.from([0, 10_000]),
    start: (item: number) => item,
    finish: (item: number) => item + 1,
  };
  expect(boxes(source, { from: 0, to: 10_000 }, 100, 0, 1).length).toBeLessThan(140);
  expect(boxes(source, { from: 500, to: 510 }, 100, 0, 1).map(({ item }) => item)).toEqual([499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 509]);
});

test("in a call graph callers stand above what they call, and a cycle ends", () => {
  const trace = traceOf(`
    a 0-100 api
      b 10-40 db
        c 20-30 api
      d 50-60 db !Broken
  `);
  const { services, calls } = callGraph(trace);
  expect(services.map(({ count }) => count)).toEqual([2, 2]);
  expect(calls).toEqual([
    { from: 0, to: 1, count: 2, errors: 1, total: 40 },
    { from: 1, to: 0, count: 1, errors: 0, total: 10 },
  ]);
  const { places, lines } = graphLayout(2, calls);
  expect(places[0].y).toBeLessThan(places[1].y);
  expect(lines).toHaveLength(2);
});
