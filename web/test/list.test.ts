import { expect, test } from "vitest";
import type { Summary } from "../src/data/server.ts";
import { filterOf, merged, NOTHING_WANTED } from "../src/state/list-state.ts";

const trace = (base_id: string, timestamp: string, points = 1): Summary => ({
  base_id, timestamp, points, duration_us: 1, unfinished: 0, errors: 0, root: { name: "a" },
});

test("what is not wanted is not asked for", () => {
  expect(filterOf(NOTHING_WANTED, 0)).toEqual({});
});

test("what is wanted is asked for in the terms of the API", () => {
  const wanted = { project: "nova", service: "api", name: "wsgi", longer: "1.5s", since: "1h", errors: "1" };
  expect(filterOf(wanted, Date.UTC(2026, 0, 2, 3, 4, 5))).toEqual({
    project: "nova", service: "api", name: "wsgi", min_duration_us: "1500000", since: "2026-01-02T02:04:05.000000", errors: "true",
  });
});

test("a duration that is none is told", () => {
  expect(() => filterOf({ ...NOTHING_WANTED, longer: "soon" }, 0)).toThrow("`soon` is no time");
});

test("since when may not be a key that every object has", () => {
  expect(filterOf({ ...NOTHING_WANTED, since: "constructor" }, 0)).toEqual({});
});

test("news come on top, and replace what they are news of", () => {
  const known = [trace("b", "2026-01-02"), trace("a", "2026-01-01")];
  const now = merged(known, [trace("a", "2026-01-01", 7), trace("c", "2026-01-03"), trace("aa", "2026-01-02")]);
  expect(now.map(({ base_id, points }) => `${base_id} ${points}`)).toEqual(["c 1", "aa 1", "b 1", "a 7"]);
});
