// What a reader does with `osprofiler ui`.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, shot, violations, visit } from "./browser.ts";
import { DIRECTORY, pageOf, point, recordsFile, recordsOf, run, serve, type Served, upstreamReportOf } from "./osprofiler.ts";

const TRACES = ["token-issue", "image-list", "volume-create", "server-create", "server-create-novalidhost"];

let browser: Browser;
let server: Served;

beforeAll(async () => {
  browser = await launch();
  server = await serve("real", TRACES.map(recordsOf));
});

afterAll(async () => {
  await browser.close();
  server.stop();
});

const requests = (page: Page) => page.locator(".traces .request a");
const idOf = (trace: string) => (JSON.parse(readFileSync(recordsOf(trace), "utf8").split("\n")[0]) as { base_id: string }).base_id;
const store = (to: Served, name: string, records: object[]) => run("trace", "import", "--connection-string", to.connection, recordsFile(name, records));

test.each(["light", "dark"] as const)("traces are listed, the newest first, %s", (theme) =>
  visit(browser, server.url, { theme }, async (page) => {
    await expect.poll(() => requests(page).count()).toBe(TRACES.length);
    const started = await page.locator(".traces .started").allInnerTexts();
    expect(started).toEqual([...started].sort().reverse());
    await shot(page, `list-${theme}`);
    expect(await violations(page)).toEqual([]);
  }),
);

test("filters leave what is wanted, and the address holds them", () =>
  visit(browser, server.url, {}, async (page) => {
    await page.getByLabel("with errors only").check();
    // While the list is fetched anew, there is none.
    const isAllOrNone = async () => [0, TRACES.length].includes(await requests(page).count());
    await expect.poll(isAllOrNone).toBe(false);
    await page.getByLabel("At least").fill("soon");
    await expect.poll(() => page.locator(".list-status").innerText()).toContain("`soon` is no time");
    await page.getByLabel("At least").fill("1s");
    await page.getByLabel("Service").fill("nova-scheduler");
    await expect.poll(() => page.evaluate(() => location.hash)).toMatch(/service=nova-scheduler.*errors=1|errors=1.*service=nova-scheduler/);
    await page.reload();
    expect(await page.getByLabel("At least").inputValue()).toBe("1s");
    await page.getByRole("link", { name: "Show all" }).click();
    await expect.poll(() => requests(page).count()).toBe(TRACES.length);
  }));

test("a trace opens from the list, saves as the server writes it, and leads back", () =>
  visit(browser, server.url, {}, async (page) => {
    await requests(page).first().focus();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".waterfall .row");
    await page.getByLabel("Save as a file").click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /Folded/ }).click()]);
    const id = (await page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("trace")))!;
    expect(readFileSync(await download.path(), "utf8")).toBe(run("trace", "show", id, "--format", "folded", "--connection-string", server.connection));
    await page.getByRole("link", { name: "All traces" }).click();
    await expect.poll(() => requests(page).count()).toBe(TRACES.length);
    await page.goBack();
    await page.waitForSelector(".waterfall .row");
  }));

test("two traces that are chosen are compared", () =>
  visit(browser, server.url, {}, async (page) => {
    await expect.poll(() => requests(page).count()).toBe(TRACES.length);
    await page.locator(".traces input").nth(0).check();
    await page.locator(".traces input").nth(1).check();
    await page.getByRole("link", { name: "Compare the two" }).click();
    await page.waitForSelector(".compare-summary h2");
    const link = await page.evaluate(() => location.href);
    await page.goto("about:blank");
    await page.goto(link);
    await page.waitForSelector(".compare-summary h2");
    await page.getByRole("button", { name: "Compare with another" }).click();
    await page.locator(".choose li button").first().click();
    await page.waitForSelector(".compare-summary h2");
  }));

test("a trace that does not exist is told, with a way out", async () => {
  const { page, faults } = await open(browser, server.url, { hash: "#trace=nowhere" });
  await expect.poll(() => page.locator("[role=alert]").innerText()).toContain("no trace `nowhere`");
  await page.getByRole("link", { name: "All traces" }).click();
  await expect.poll(() => requests(page).count()).toBe(TRACES.length);
  expect(faults.filter((fault) => !fault.includes("404"))).toEqual([]);
  await page.context().close();
});

test("what is new appears in the list, and in the trace that is open, which stays as it was looked at", async () => {
  const live = await serve("live", []);
  try {
    await visit(browser, live.url, {}, async (page) => {
      await page.waitForSelector(".nothing");
      store(live, "live-1", [...point("grows", "root", "grows", 0, null), ...point("grows", "a", "root", 1000, 500), ...point("grows", "a1", "a", 1100, 100)]);
      await expect.poll(() => requests(page).count(), { timeout: 15_000 }).toBe(1);
      expect(await page.locator(".running").innerText()).toBe("1 unfinished");
      await requests(page).first().click();
      await expect.poll(() => page.locator(".waterfall .row").count()).toBe(3);
      await page.keyboard.press("j");
      await page.keyboard.press("j");
      await page.keyboard.press("ArrowLeft");
      await expect.poll(() => page.locator(".waterfall .row").count()).toBe(2);
      store(live, "live-2", [...point("grows", "b", "root", 2000, 700), ...point("grows", "root", "grows", 0, 3000).slice(1)]);
      await expect.poll(() => page.locator(".waterfall .row").count(), { timeout: 15_000 }).toBe(3);
      expect(await page.locator(".figures").innerText()).toMatch(/points\s+4/);
      expect(await page.locator(".figures").innerText()).toMatch(/unfinished\s+0/);
      expect(await page.locator(".row.selected").getAttribute("aria-expanded")).toBe("false");
      await shot(page, "grown");
    });
  } finally {
    live.stop();
  }
});

test("more tabs are opened than a browser opens connections", async () => {
  const context = await browser.newContext();
  // Headless, all tabs are seen.
  await context.addInitScript(() => Object.defineProperty(document, "hidden", { writable: true, value: false }));
  try {
    for (let tab = 0; tab < 8; tab++) {
      const page = await context.newPage();
      const told = page.waitForResponse(/\/events$/);
      await page.goto(`${server.url}#trace=${idOf("token-issue")}`);
      await page.waitForSelector(".waterfall .row");
      await told;
      await page.evaluate(() => {
        Object.assign(document, { hidden: true });
        document.dispatchEvent(new Event("visibilitychange"));
      });
    }
  } finally {
    await context.close();
  }
});

test("hostile text is text in the list too", async () => {
  const text = "</script><img src=x onerror=alert(1)>\u202e";
  const hostile = await serve("hostile-list", [recordsFile("hostile-list", point(text, "p", text, 0, 10, { name: text, service: text, info: { request: { path: text, method: text } } }))]);
  try {
    await visit(browser, hostile.url, {}, async (page) => {
      await expect.poll(() => requests(page).count()).toBe(1);
      expect(await requests(page).first().innerText()).toContain("</script><img src=x onerror=alert(1)>");
      expect(await page.evaluate(() => document.body.innerText)).not.toContain("\u202e");
      await requests(page).first().click();
      await page.waitForSelector(".waterfall .row");
      expect(await page.locator("img").count()).toBe(0);
    });
  } finally {
    hostile.stop();
  }
});

test("older traces come page by page", async () => {
  const many = await serve("many", [recordsFile("many", Array.from({ length: 130 }, (_, at) => point(`trace${at}`, "p", `trace${at}`, at * 1000, 10)).flat())]);
  try {
    await visit(browser, many.url, {}, async (page) => {
      await expect.poll(() => requests(page).count()).toBe(100);
      await page.getByRole("button", { name: "Show older ones" }).click();
      await expect.poll(() => requests(page).count()).toBe(130);
      expect(await page.getByRole("button", { name: "Show older ones" }).count()).toBe(0);
    });
  } finally {
    many.stop();
  }
});

test("files of records, of reports and saved pages open; others say why they do not", () =>
  visit(browser, server.url, {}, async (page) => {
    for (const file of [recordsOf("token-issue"), upstreamReportOf("token-issue"), pageOf(recordsOf("token-issue"), "saved")]) {
      await page.goto(server.url);
      await page.locator("input[type=file]").setInputFiles(file);
      await page.waitForSelector(".waterfall .row");
      expect(await page.locator(".figures").innerText(), file).toMatch(/points\s+54/);
      await page.locator(".waterfall .row").first().click({ position: { x: 200, y: 12 } });
      await expect.poll(() => page.locator(".panel").innerText()).toContain("wsgi");
    }
    await page.goto(server.url);
    await page.waitForSelector(".list-page");
    const dropped = await page.evaluateHandle((text) => {
      const files = new DataTransfer();
      files.items.add(new File([text], "dropped.jsonl"));
      return files;
    }, readFileSync(recordsOf("image-list"), "utf8"));
    await page.locator(".list-page").dispatchEvent("drop", { dataTransfer: dropped });
    await page.waitForSelector(".waterfall .row");
    expect(await page.locator(".figures").innerText()).toMatch(/points\s+221/);
  }));

test("a file that is no trace says what it is not", async () => {
  const path = join(DIRECTORY, "no-trace.json");
  writeFileSync(path, "{}");
  const { page } = await open(browser, server.url);
  await page.locator("input[type=file]").setInputFiles(path);
  await expect.poll(() => page.locator("[role=alert]").innerText()).toContain("cannot be shown");
  await page.context().close();
});

test("the subtree of a point is opened by itself", () =>
  visit(browser, server.url, {}, async (page) => {
    const id = idOf("token-issue");
    await page.goto(`${server.url}#trace=${id}`);
    await page.waitForSelector(".waterfall .row");
    await page.locator(".row[aria-expanded]").first().click({ position: { x: 200, y: 12 } });
    await expect.poll(() => page.evaluate(() => location.hash)).toContain("point=");
    const below = await page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("point"));
    await page.goto(`${server.url}#trace=${id}&below=${below}`);
    await expect.poll(() => page.locator(".sub").innerText()).toMatch(/\b5[0-3] of its points/);
    await page.getByRole("link", { name: "show all" }).click();
    await expect.poll(() => page.locator(".sub").innerText()).not.toContain("of its points");
  }));
