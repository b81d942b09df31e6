import { expect, test } from "vitest";
import { matcher } from "../src/data/search.ts";
import { evaluate } from "../src/model/evaluate.ts";
import { parseQuery, parseTime } from "../src/model/query.ts";
import { groups, percentile } from "../src/model/stats.ts";
import { traceOf } from "./traces.ts";

const trace = traceOf(`
  wsgi 0-100000 nova/api GET /servers
    db 10000-70000 nova/api SELECT * FROM instances
    db 70000-71000 nova/api SELECT 1
  rpc 80000- nova/compute Manager.build !TimeoutError: too late
`);

const found = async (text: string) => {
  const searched = { trace, search: async () => new Uint8Array(trace.count) };
  const query = parseQuery(text);
  return query && [...(await evaluate(query, searched))].flatMap((one, point) => (one ? [point] : [])).join();
};

test.each([
  ["name:db", "1,2"],
  ["name:DB", "1,2"],
  ["name:d*", "1,2"],
  ["name:d", ""],
  ["name~d", "1,2"],
  ["-name:db", "0,3"],
  ["name!=db", "0,3"],
  ["duration>50ms", "0,1"],
  ["duration>=60ms duration<100ms", "1"],
  ["self<30ms", "2,3"],
  ["start>70ms", "3"],
  ["depth:0", "0,3"],
  ["service:nova/compute", "3"],
  ["service:nova*", "0,1,2,3"],
  ["error:true", "3"],
  ["error:false name:db", "1,2"],
  ["error~late", "3"],
  ["unfinished:true", "3"],
  ["instances", "1"],
  ['"from instances"', "1"],
  ['detail~"from ins"', "1"],
  ["detail~^SELECT", "1,2"],
  ["detail~*", "1"],
])("%s finds %s", async (text, points) => {
  expect(await found(text)).toBe(points);
});

test("nothing is looked for in empty text", () => expect(parseQuery("  ")).toBeNull());

test.each([
  ["colour:red", "no field `colour`; there are name"],
  ["duration>fast", "`fast` is no time, expected one like 50ms"],
  ["unfinished:maybe", "unfinished is `maybe`, expected true or false"],
  ["name>db", "name cannot be compared by `>`"],
])("%s is refused: %s", (text, message) => {
  expect(() => parseQuery(text)).toThrow(message);
});

test("times have units, milliseconds unless told", () => {
  expect(["1.5s", "20", "7us", "7µs", "2m"].map(parseTime)).toEqual([1_500_000, 20_000, 7, 7, 120_000_000]);
});

test("a member of an info is found where it is, not elsewhere", () => {
  const record = (info: unknown) => JSON.stringify({ trace_id: "x", info }).replace('"x"', "\u0002");
  const matches = matcher({ pattern: "from instances", path: ["db", "statement"] });
  expect(matches(record({ db: { statement: "SELECT 1 FROM instances" } }))).toBe(true);
  expect(matches(record({ statement: "SELECT 1 FROM instances" }))).toBe(false);
  expect(matches(record({ db: { statement: "x", params: "from instances" } }))).toBe(false);
  expect(matcher({ pattern: ".", path: ["toString"] })(record({}))).toBe(false);
  expect(matcher({ pattern: "yes", path: ["__proto__"] })('{"info":{"__proto__":"yes"}}')).toBe(true);
});

test("statistics sum by what points have in common", () => {
  const [wsgi, db, rpc] = groups(trace, "name", null);
  expect(db).toMatchObject({ label: "db", count: 2, total: 61_000, self: 61_000, p50: 1_000, p99: 60_000, query: "name:db" });
  expect(wsgi.self).toBe(100_000 - 61_000);
  expect(rpc).toMatchObject({ count: 1, errors: 1, total: 0 });
  expect(groups(trace, "service", Uint8Array.from([0, 1, 0, 0]))).toMatchObject([{ label: "nova/api", count: 1 }]);
});

test("a percentile is the least value that so many do not exceed", () => {
  const values = Float64Array.from({ length: 100 }, (_, at) => at + 1);
  expect([50, 95, 99].map((percent) => percentile(values, percent))).toEqual([50, 95, 99]);
  expect(percentile(Float64Array.of(), 50)).toBe(0);
});
