// A page without a server saves its trace as the program writes it: one format, two programs, held against
// each other on real traces.

import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, visit } from "./browser.ts";
import { pageOf, point, recordsFile, recordsOf, run } from "./osprofiler.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(() => browser.close());

/** Odd ones: unfinished, parallel, outliving, of no known parent, with ids that are no UUIDs. */
const ODD = [
  ...point("odd", "a", "odd", 0, 5000, { name: "a;b" }),
  ...point("odd", "b", "a", 1000, null, { service: "db", info: { db: { statement: 'SELECT "1" & <2>\n FROM\tt' } } }),
  ...point("odd", "c", "b", 1500, 9000, { service: "db" }),
  ...point("odd", "d", "a", 1200, 2000),
  ...point("odd", "e", "a", 1300, 500),
  ...point("odd", "f", "nobody", 20_000, 0, { name: "__proto__", service: "constructor" }),
];

const TRACES = ["token-issue", "image-list", "volume-create", "server-create", "server-create-novalidhost", "odd"];

/** What differs without meaning: points are numbered as they were stored, or as they stand in the tree. */
const COMPARABLE: Record<string, (text: string) => unknown> = {
  json: (text) => sortedChildren(JSON.parse(text)),
  records: (text) => text.split("\n").sort(),
  svg: (text) => text,
  dot: renumbered,
  folded: (text) => text,
  speedscope: (text) => ({ ...JSON.parse(text), exporter: "" }),
  perfetto: (text) => arrowsInOrder(JSON.parse(text)),
};

describe.each(TRACES)("%s", (trace) => {
  test("is saved in each format as the program writes it", async () => {
    const records = trace === "odd" ? recordsFile("odd", ODD) : recordsOf(trace);
    await visit(browser, pageOf(records, `export-${trace}`), {}, async (page) => {
      for (const [format, comparable] of Object.entries(COMPARABLE)) {
        const { name, text } = await saved(page, format);
        expect(name).toMatch(/^trace-[\w-]+\.\w+/);
        expect(comparable(text), format).toEqual(comparable(run("trace", "show", records, "--format", format)));
      }
    });
  });
});

const LABELS: Record<string, string> = {
  json: "Report", records: "Records", svg: "Drawing", dot: "Graph", folded: "Folded stacks", speedscope: "Speedscope", perfetto: "Perfetto",
};

async function saved(page: Page, format: string): Promise<{ name: string; text: string }> {
  await page.getByLabel("Save as a file").click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: new RegExp(`^${LABELS[format]} `) }).click(),
  ]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

interface Node {
  trace_id?: string;
  children: Node[];
}

/** Those of the same millisecond stand in the order of storage, or of their start. */
function sortedChildren(node: Node): Node {
  const children = node.children.map(sortedChildren);
  children.sort((a, b) => ((a.trace_id ?? "") < (b.trace_id ?? "") ? -1 : 1));
  return { ...node, children };
}

function renumbered(dot: string): string {
  const numbers = new Map<string, number>();
  return dot.replace(/^( {2}p\d+)|(-> p\d+)/gm, (number) => {
    const digits = number.replace(/\D/g, "");
    numbers.set(digits, numbers.get(digits) ?? numbers.size);
    return number.replace(digits, String(numbers.get(digits)));
  });
}

interface Events {
  traceEvents: { ph: string; id?: number; ts?: number; tid?: number }[];
}

function arrowsInOrder(trace: Events): object {
  const isArrow = ({ ph }: { ph: string }) => ph === "s" || ph === "f";
  const arrows = trace.traceEvents.filter(isArrow).map((event) => JSON.stringify({ ...event, id: 0 }));
  return { ...trace, traceEvents: trace.traceEvents.filter((event) => !isArrow(event)), arrows: arrows.sort() };
}
