import { expect, test } from "vitest";
import { criticalPath } from "../src/model/critical.ts";
import { NO_POINT, type Trace } from "../src/model/trace.ts";
import { traceOf } from "./traces.ts";

const named = (trace: Trace, values: ArrayLike<number>) =>
  Object.fromEntries(Array.from(values, (value, point) => [trace.name(point), value]));

test("self time is what no child covers, also where children overlap or outlive their parent", () => {
  const trace = traceOf(`
    a 0-100
      b 10-40
      c 20-50
      d 90-120
  `);
  expect(named(trace, trace.derived.self)).toEqual({ a: 100 - 40 - 10, b: 30, c: 30, d: 30 });
});

test("an unfinished point ends with the trace, has no time by itself and hides none of its parent", () => {
  const trace = traceOf(`
    a 0-100
      b 10-
  `);
  expect(trace.finish(1)).toBe(100);
  expect(named(trace, trace.derived.self)).toEqual({ a: 100, b: 0 });
  expect(trace.duration(1)).toBeNull();
});

test("siblings that overlap are parallel, those that follow each other are not", () => {
  const trace = traceOf(`
    a 0-100
      b 0-10
      c 10-30
      d 20-40
      e 25-26
      f 50-60
  `);
  expect(named(trace, trace.derived.isParallel)).toEqual({ a: 0, b: 0, c: 1, d: 1, e: 1, f: 0 });
});

test("a point knows its depth, its children and where its subtree ends", () => {
  const trace = traceOf(`
    a 0-9
      b 0-4
        c 1-2
      d 5-6
    e 9-9
  `);
  expect(named(trace, trace.derived.depth)).toEqual({ a: 0, b: 1, c: 2, d: 1, e: 0 });
  expect([...trace.children(0)]).toEqual([1, 3]);
  expect([...trace.children(NO_POINT)]).toEqual([0, 4]);
  expect(trace.ancestors(2)).toEqual([0, 1]);
});

test("a deep trace has a critical path of its innermost point", () => {
  const lines = Array.from({ length: 200 }, (_, depth) => `${"  ".repeat(depth)}p${depth} 0-1000`);
  const trace = traceOf(lines.join("\n"));
  expect(trace.depth(199)).toBe(199);
  expect(steps(trace)).toEqual(["p199 0-1000"]);
});

const path = ({ columns, derived }: Trace) => criticalPath({ ...columns, ...derived });

const steps = (trace: Trace) =>
  Array.from(path(trace).point, (point, step) => {
    const { from, to } = path(trace);
    return `${point < 0 ? "-" : trace.name(point)} ${from[step]}-${to[step]}`;
  });

test("the critical path follows who finished last", () => {
  const trace = traceOf(`
    a 0-100
      b 10-40
      c 20-80
        d 30-60
  `);
  expect(steps(trace)).toEqual(["a 0-10", "b 10-20", "c 20-30", "d 30-60", "c 60-80", "a 80-100"]);
});

test("the critical path adds up to the duration, with time between the roots and work that outlives its caller", () => {
  const trace = traceOf(`
    a 0-30
    b 50-100
      c 90-130
  `);
  expect(steps(trace)).toEqual(["a 0-30", "- 30-50", "b 50-90", "c 90-130"]);
});
