import { expect, test } from "vitest";
import { lines, oneLine } from "../src/text/clean.ts";
import { curlOf } from "../src/text/curl.ts";
import { jsonLines, memberText } from "../src/text/json.ts";
import { formatSql } from "../src/text/sql.ts";
import { instant, utcMicros } from "../src/text/time.ts";
import { axisTime, duration, share } from "../src/text/units.ts";

test.each([
  [0, "0"],
  [7, "7 µs"],
  [1_660, "1.66 ms"],
  [9_995, "10.0 ms"],
  [99_950, "100 ms"],
  [999_500, "1.00 s"],
  [12_345_678, "12.3 s"],
  [3_600_000_000, "60 min"],
  [36_000_000_000, "10.0 h"],
  [-1_660, "−1.66 ms"],
])("%d µs are written as %s", (us, text) => expect(duration(us)).toBe(text));

test("marks of an axis have the decimals that tell them apart", () => {
  expect(axisTime(1_500_000, 500_000)).toBe("1500 ms");
  expect(axisTime(6_000_000, 2_000_000)).toBe("6 s");
  expect(axisTime(250, 50)).toBe("250 µs");
  expect(share(1, 100_000)).toBe("<0.1%");
});

test("instants keep their microseconds", () => {
  expect(utcMicros(1_461_001_330_774_321)).toBe("2016-04-18T17:42:10.774321");
  expect(instant(1_461_001_330_774_321, false)).toBe("2016-04-18 17:42:10.774 UTC");
});

test("text cannot turn, hide or break what is around it", () => {
  expect(oneLine(" a\n\u001b[2J\u202eb\u200b ")).toBe("a \u241b[2J\ufffdb\ufffd");
  expect(lines("a\n\u0007\u2066b")).toBe("a\n\u2407\ufffdb");
});

test("JSON becomes lines, whatever its keys are called", () => {
  const shown = jsonLines('{"__proto__": {"a": [1, "x\\u00e9", {}]}, "big": 12345678901234567890, "n": null}').map(
    ({ depth, key, value, below }) => `${"  ".repeat(depth)}${key}=${value}/${below}`,
  );
  expect(shown).toEqual(["=/7", "  __proto__=/4", "    a=/3", "      0=1/0", "      1=xé/0", "      2=/0", "  big=12345678901234567890/0", "  n=null/0"]);
});

test("deep JSON and text that is no JSON are survived", () => {
  expect(jsonLines("[".repeat(100_000)).length).toBeLessThan(100);
  expect(jsonLines('{"a": "cut').length).toBeGreaterThan(0);
  expect(jsonLines("")).toEqual([]);
});

test("strings of ten million characters are survived", () => {
  const long = "x\\\\".repeat(3_000_000);
  const json = `{"big": "${long}", "after": 1}`;
  expect(jsonLines(json).map(({ key }) => key)).toEqual(["", "big", "after"]);
  expect(memberText(json, "after")).toBe("1");
  expect(memberText(json, "big").length).toBe(long.length + 2);
});

test("a member is found at the top, as it is written", () => {
  const record = '{"x": {"info": 1}, "y": "info", "info" : {"a": [1, {"b": "}"}]}, "z": 2}';
  expect(memberText(record, "info")).toBe('{"a": [1, {"b": "}"}]}');
  expect(memberText(record, "z")).toBe("2");
  expect(memberText(record, "y")).toBe('"info"');
  expect(memberText(record, "none")).toBe("");
});

test("SQL has a line for each clause, and loses nothing but space", () => {
  const sql =
    "SELECT a.id, count(*) FROM (SELECT id FROM b WHERE x = 'it''s (from)' AND y = %(y_1)s) AS a LEFT OUTER JOIN c ON c.id = a.id WHERE a.id IN (1, 2) AND c.y IS NULL ORDER BY a.id LIMIT 1";
  const text = formatSql(sql).map(({ text }) => text).join("");
  expect(text).toBe(
    [
      "SELECT a.id, count(*)",
      "FROM (",
      "  SELECT id",
      "  FROM b",
      "  WHERE x = 'it''s (from)'",
      "    AND y = %(y_1)s",
      ") AS a",
      "LEFT OUTER JOIN c",
      "  ON c.id = a.id",
      "WHERE a.id IN (1, 2)",
      "  AND c.y IS NULL",
      "ORDER BY a.id",
      "LIMIT 1",
    ].join("\n"),
  );
  expect(text.replace(/\s/g, "")).toBe(sql.replace(/\s/g, ""));
});

test("a request becomes a command that no text can break out of", () => {
  expect(curlOf('{"request": {"path": "/v3/it\'s", "query": "a=1", "method": "PO;ST", "scheme": "https"}}')).toBe(
    "curl -X 'PO;ST' 'https://HOST/v3/it'\\''s?a=1'",
  );
  expect(curlOf('{"requests": {"hostname": "h", "port": 80, "path": "/p", "query": "", "method": "GET", "scheme": "http"}}')).toBe(
    "curl http://h:80/p",
  );
  expect(curlOf('{"db": {}}')).toBeNull();
});

test("a string of millions of characters, escaped or not, does not run out of stack", () => {
  for (const long of ["x".repeat(10_000_000), '"'.repeat(2_000_000)]) {
    const record = JSON.stringify({ name: "a", info: { text: long } });
    const info = memberText(record, "info");
    expect(jsonLines(info).map(({ key, value }) => [key, value.length])).toEqual([["", 0], ["text", long.length]]);
  }
});
