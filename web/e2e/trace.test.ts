// What a reader does with the page of one trace, in a file and without a network.

import { readFileSync, statSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, shot, view, violations, visit } from "./browser.ts";
import { pageOf, point, recordsFile, recordsOf, upstreamReportOf } from "./osprofiler.ts";

let browser: Browser;
let boot: string;
let failed: string;

beforeAll(async () => {
  browser = await launch();
  boot = pageOf(recordsOf("server-create"), "server-create");
  failed = pageOf(recordsOf("server-create-novalidhost"), "novalidhost");
});

afterAll(() => browser.close());

const VIEWS = ["Waterfall", "Flame graph", "Statistics", "Hosts", "Calls", "Compare"];
const rows = (page: Page) => page.locator(".waterfall .row");
/** Rows are beneath the bars, but for their left part. */
const LEFT = { position: { x: 200, y: 12 } };
const hash = (page: Page) => page.evaluate(() => location.hash);

test("the overview says how long it took, how many points there are and what went wrong", () =>
  visit(browser, failed, {}, async (page) => {
    const figures = await page.locator(".figures").innerText();
    expect(figures).toMatch(/duration\s+[\d.]+ s/);
    expect(figures).toMatch(/errors\s+[1-9]/);
    await expect.poll(() => page.locator(".shares li").count()).toBeGreaterThan(3);
  }));

test("the waterfall folds by level and by point", () =>
  visit(browser, boot, {}, async (page) => {
    await page.getByRole("button", { name: "Show 1 levels" }).click();
    const few = await rows(page).count();
    await page.getByRole("button", { name: "Show 2 levels" }).click();
    expect(await rows(page).count()).toBeGreaterThan(few);
    await page.getByRole("button", { name: "Show 1 levels" }).click();
    const folded = page.locator('.row[aria-expanded="false"]');
    const id = await folded.first().getAttribute("id");
    await folded.first().locator(".fold").click();
    expect(await page.locator(`#${id}`).getAttribute("aria-expanded")).toBe("true");
    expect(await rows(page).count()).toBeGreaterThan(few);
  }));

test("the wheel over the axis zooms, keys pan, and the minimap chooses a range", () =>
  visit(browser, boot, {}, async (page) => {
    const inView = () => page.locator(".lane-map [role=img]").getAttribute("aria-label");
    const whole = await inView();
    await page.locator(".axis").hover();
    await page.mouse.wheel(0, -600);
    const zoomed = await inView();
    expect(zoomed).not.toBe(whole);
    await page.keyboard.press("d");
    expect(await inView()).not.toBe(zoomed);
    await page.keyboard.press("0");
    expect(await inView()).toBe(whole);
    const map = (await page.locator(".lane-map").boundingBox())!;
    await page.mouse.move(map.x + map.width * 0.25, map.y + 5);
    await page.mouse.down();
    await page.mouse.move(map.x + map.width * 0.5, map.y + 5, { steps: 4 });
    await page.mouse.up();
    expect(await inView()).not.toBe(whole);
  }));

test("dragging with shift measures between two instants", () =>
  visit(browser, boot, {}, async (page) => {
    const bars = (await page.locator(".bars").boundingBox())!;
    await page.keyboard.down("Shift");
    await page.mouse.move(bars.x + 100, bars.y + 40);
    await page.mouse.down();
    await page.mouse.move(bars.x + 300, bars.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up("Shift");
    expect(await page.locator(".ruler").first().innerText()).toMatch(/\d (µs|ms|s)/);
  }));

test("a search counts its matches, goes to the next one, and says what it cannot read", () =>
  visit(browser, boot, {}, async (page) => {
    await page.keyboard.press("/");
    await page.keyboard.type('name:db info.db.statement~"instances" duration>1ms');
    await expect.poll(() => page.locator("#search-result").innerText()).toMatch(/^\d+$/);
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator(".panel").innerText()).toContain("instances");
    const first = await page.locator(".row.selected").getAttribute("id");
    await page.keyboard.press("Enter");
    expect(await page.locator(".row.selected").getAttribute("id")).not.toBe(first);
    await page.locator("#search").fill("colour:red");
    await expect.poll(() => page.locator("#search-result").innerText()).toContain("no field `colour`");
  }));

test("details show what a point did, and Escape lets it go", () =>
  visit(browser, failed, {}, async (page) => {
    await page.keyboard.press("e");
    await expect.poll(() => page.locator(".panel .error-text").count()).toBeGreaterThan(0);
    await page.keyboard.press("Escape");
    expect(await page.locator(".panel").innerText()).toContain("Critical path");
  }));

test("statistics sort by what is clicked, and a click on a name searches", () =>
  visit(browser, boot, {}, async (page) => {
    await view(page, "Statistics");
    const counts = () => page.locator(".stats tbody td:nth-child(2)").allInnerTexts();
    await page.locator(".stats").getByRole("button", { name: "count" }).click();
    const numbers = (await counts()).map((text) => Number(text.replace(/\D/g, "")));
    expect(numbers).toEqual([...numbers].sort((a, b) => b - a));
    await page.locator(".stats tbody button").first().click();
    await expect.poll(() => page.locator("#search").inputValue()).toContain("name");
  }));

test("the link holds view, zoom, search and point", () =>
  visit(browser, boot, {}, async (page) => {
    await page.locator("#search").fill("name:db");
    await expect.poll(() => page.locator("#search-result").innerText()).toMatch(/^\d+$/);
    await rows(page).nth(3).click(LEFT);
    await page.keyboard.press("f");
    await view(page, "Flame graph");
    await expect.poll(() => hash(page)).toMatch(/view=flame.*point=|point=.*view=flame/);
    const link = await hash(page);
    const other = await open(browser, boot, { hash: link });
    await expect.poll(() => hash(other.page)).toBe(link);
    expect(await other.page.getByRole("tab", { name: "Flame graph" }).getAttribute("aria-selected")).toBe("true");
    expect(await other.page.locator(".lane-map [role=img]").getAttribute("aria-label")).toBe(await page.locator(".lane-map [role=img]").getAttribute("aria-label"));
    expect(await other.page.locator("#search").inputValue()).toBe("name:db");
    await other.page.context().close();
  }));

test("everything can be reached by keys, which a sheet explains", () =>
  visit(browser, boot, {}, async (page) => {
    await page.keyboard.press("?");
    expect(await page.locator("dialog.help").innerText()).toContain("next row");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog.help", { state: "detached" });
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await expect.poll(() => page.locator(".row.selected").getAttribute("id")).toBe("row-1");
    for (const [at, label] of VIEWS.entries()) {
      await page.keyboard.press(String(at + 1));
      expect(await page.getByRole("tab", { name: label, exact: true }).getAttribute("aria-selected")).toBe("true");
    }
  }));

test.each(["light", "dark"] as const)("every view is fit to be seen, and accessible, %s", (theme) =>
  visit(browser, failed, { theme }, async (page) => {
    const found: string[] = [];
    for (const label of VIEWS) {
      await view(page, label);
      await page.waitForTimeout(100);
      await shot(page, `${label.toLowerCase().replace(" ", "-")}-${theme}`);
      found.push(...(await violations(page)).map((violation) => `${label}: ${violation}`));
    }
    await view(page, "Waterfall");
    await page.keyboard.press("e");
    await page.waitForSelector(".panel .error-text");
    await shot(page, `details-${theme}`);
    found.push(...(await violations(page)).map((violation) => `details: ${violation}`));
    await page.keyboard.press("?");
    await shot(page, `help-${theme}`);
    found.push(...(await violations(page)).map((violation) => `help: ${violation}`));
    expect(found).toEqual([]);
  }),
);

test("another theme has other colours, on canvases too", () =>
  visit(browser, boot, {}, async (page) => {
    const seen = () => page.evaluate(() => [...document.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()));
    const light = await seen();
    await page.getByRole("button", { name: /Theme/ }).click();
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
    const dark = await seen();
    expect(dark.length).toBe(light.length);
    dark.forEach((picture, at) => expect(picture).not.toBe(light[at]));
  }));

test("a narrow screen scrolls in no wrong direction", () =>
  visit(browser, boot, { width: 390, height: 800 }, async (page) => {
    for (const label of VIEWS) {
      await view(page, label);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), label).toBeLessThanOrEqual(390);
      await shot(page, `narrow-${label.toLowerCase().replace(" ", "-")}`);
    }
  }));

test("paper gets a light page without what is to be clicked", () =>
  visit(browser, boot, { theme: "dark" }, async (page) => {
    await page.emulateMedia({ media: "print" });
    await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
    expect(await page.getByRole("tab").first().isVisible()).toBe(false);
    expect(await page.locator(".head-buttons").isVisible()).toBe(false);
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).toBe("rgb(255, 255, 255)");
    await shot(page, "print");
  }));

test("a trace is compared with a page that was saved", () =>
  visit(browser, failed, {}, async (page) => {
    await view(page, "Compare");
    await page.locator(".choose input").setInputFiles(boot);
    await page.waitForSelector(".compare-summary");
    expect(await page.locator(".compare-summary h2").innerText()).toMatch(/(shorter|longer): .* → /);
    expect(await page.locator(".verdicts").innerText()).toMatch(/gone/);
    expect(await page.locator(".compare-groups tbody tr").count()).toBe(10);
    const few = await page.locator(".compare-rows").evaluate((element) => element.scrollHeight);
    await page.getByLabel("also what has not changed").check();
    expect(await page.locator(".compare-rows").evaluate((element) => element.scrollHeight)).toBeGreaterThan(few);
    await page.locator(".compare-groups .what button").first().click();
    await page.waitForSelector(".compare-row.selected");
    for (const theme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await page.waitForTimeout(100);
      await shot(page, `compared-${theme}`);
      expect(await violations(page)).toEqual([]);
    }
  }));

test("hostile text is text, wherever it stands", async () => {
  const run = "window.hacked=1;alert(1)";
  const hostile = [`</script><script>${run}</script>`, `<img src=x onerror="${run}">`, `"><svg onload=${run}>`, `javascript:${run}`, "\u202egnp.exe\u0000\u001b[31m\u0007", "{{constructor.constructor('alert(1)')()}}"];
  const records = hostile.flatMap((text, at) => [
    ...point(text, `p${at}${text}`, at === 0 ? "root" : `p0${hostile[0]}`, at * 1000, 900, {
      name: text, service: text,
      info: { host: text, [text]: text, __proto__x: 1, ["__proto__"]: { polluted: text }, constructor: text, db: { statement: text, params: { [text]: text } }, request: { method: text, path: text, query: text, scheme: text } },
    }),
    ...point(text, `sql${at}`, `p${at}${text}`, at * 1000 + 10, 100, { name: "db", info: { db: { statement: `SELECT '${text}'` } } }),
  ]);
  records.push(...point("b", "long", "b", 10_000, 500, { info: { request: { path: "x".repeat(10_000_000), method: "GET" } } }));
  const path = pageOf(recordsFile("hostile", records.map((record) => ({ ...record, base_id: "</title><script>alert(1)</script>" }))), "hostile");
  await visit(browser, path, {}, async (page) => {
    const count = await rows(page).count();
    expect(count).toBe(13);
    for (const label of VIEWS) {
      await view(page, label);
      await page.waitForTimeout(50);
    }
    await view(page, "Waterfall");
    for (let at = 0; at < count; at++) {
      await rows(page).nth(at).click(LEFT);
      await page.waitForSelector(".panel h2");
      await page.waitForTimeout(30);
    }
    expect(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked)).toBeUndefined();
    expect(await page.evaluate(() => ({}) as { polluted?: string })).toEqual({});
    expect(await page.evaluate(() => (({}) as { polluted?: string }).polluted)).toBeUndefined();
    expect(await page.locator("script[src], img, svg[onload], iframe").count()).toBe(0);
    expect(await page.evaluate(() => document.body.innerText)).not.toMatch(/[\u202e\u0000\u001b]/);
    expect(await page.locator(".row").first().innerText()).toContain("</script><script>");
    await shot(page, "hostile");
  });
});

test("the page of a thousand points is smaller than the report that the existing tool's page holds", () => {
  const traces = ["server-create", "volume-create", "token-issue"];
  const records = traces.flatMap((trace) => readFileSync(recordsOf(trace), "utf8").trim().split("\n"));
  const together = records.map((line) => ({ ...JSON.parse(line), base_id: "b" }));
  expect(together.length / 2).toBeGreaterThan(1000);
  const theirs = traces.reduce((sum, trace) => sum + statSync(upstreamReportOf(trace)).size, 0);
  expect(statSync(pageOf(recordsFile("thousand", together), "thousand")).size).toBeLessThan(theirs / 4);
});
