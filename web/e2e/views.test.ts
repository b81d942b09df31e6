// The views beside the waterfall, on a real trace; and traces of unusual shape.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, visit } from "./browser.ts";
import { pageOf, point, recordsFile, recordsOf } from "./osprofiler.ts";

let browser: Browser;
let server: string;

beforeAll(async () => {
  browser = await launch();
  server = pageOf(recordsOf("server-create-novalidhost"), "views");
});
afterAll(() => browser.close());

const onServer = (hash: string, act: (page: Page) => Promise<void>) => visit(browser, server, { hash }, act);
const address = (page: Page) => page.evaluate(() => decodeURIComponent(location.hash));

test("a box of the flame graph tells what it is, selects its point, and is zoomed to", () =>
  onServer("#view=flame", async (page) => {
    const surface = page.locator(".surface");
    const { x, y } = (await surface.boundingBox())!;
    await page.mouse.move(x + 60, y + 8);
    await expect.poll(() => page.locator(".tip").innerText()).toMatch(/POST \/v3\/auth\/tokens[^]*723 ms, .* by itself · keystone\/public on ctl1/);
    await page.mouse.dblclick(x + 60, y + 8);
    await expect.poll(() => page.locator(".panel h2").innerText()).toBe("wsgi");
    await expect.poll(() => address(page)).toMatch(/view=flame.*time=.*point=/);
  }));

test("in the merged flame graph points that are alike are one box", () =>
  onServer("#view=flame&merged=1", async (page) => {
    const surface = page.locator(".surface");
    const { x, y, width } = (await surface.boundingBox())!;
    const tips: string[] = [];
    for (let part = 0.02; part < 1; part += 0.04) {
      await page.mouse.move(x + width * part, y + 19 * 2 + 8);
      tips.push((await page.locator(".tip").allInnerTexts()).join());
    }
    expect(tips.join("\n")).toMatch(/work in and below/);
    expect(await page.getByRole("button", { name: "Merged" }).getAttribute("aria-pressed")).toBe("true");
  }));

test("each host has its name above what ran on it", () =>
  onServer("#view=hosts", async (page) => {
    expect(await page.locator(".band").allInnerTexts()).toEqual(["ctl1", "storage1"]);
  }));

test("the call graph has all services, and a click on one searches for its points", () =>
  onServer("#view=calls", async (page) => {
    expect(await page.locator(".service").count()).toBe(7);
    await page.locator(".service", { hasText: "nova/nova-scheduler" }).click();
    await expect.poll(() => page.locator("#search").inputValue()).toBe("service:nova/nova-scheduler");
  }));

test("colours have a legend, which searches", () =>
  onServer("", async (page) => {
    await page.getByLabel("Colour by").selectOption("kind");
    expect(await page.locator(".legend").innerText()).toMatch(/request\s+SQL\s+function/);
    await page.locator(".legend button", { hasText: "SQL" }).click();
    await expect.poll(() => page.locator("#search-result").innerText()).toMatch(/^\d+$/);
  }));

test("times are in UTC, or as the reader's clock has them", () =>
  onServer("", async (page) => {
    const started = page.locator(".sub button");
    expect(await started.innerText()).toBe("2026-11-23 09:08:30.341 UTC");
    await page.keyboard.press("u");
    await expect.poll(() => started.innerText()).toMatch(/^2026-11-2[234] \d\d:\d\d:30\.341 [+-]\d\d:\d\d$/);
  }));

test("a double click on a bar zooms to it, a pinch zooms out of it", () =>
  onServer("", async (page) => {
    const { x, y, width } = (await page.locator(".bars").boundingBox())!;
    await page.mouse.dblclick(x + width / 2, y + 36);
    await expect.poll(() => address(page)).toContain("time=");
    const touch = await page.context().newCDPSession(page);
    const fingers = (apart: number) => [-apart, apart].map((dx, id) => ({ x: x + width / 2 + dx, y: y + 36, id }));
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: fingers(150) });
    for (let apart = 140; apart >= 10; apart -= 10) {
      await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: fingers(apart) });
    }
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    await expect.poll(() => address(page)).not.toContain("time=");
  }));

test("points that ran at the same time as a sibling, or have not stopped, say so", () => {
  const records = [
    ...point("b", "a", "b", 0, 100_000),
    ...point("b", "a1", "a", 0, 50_000, { name: "one" }),
    ...point("b", "a2", "a", 20_000, 50_000, { name: "two" }),
    ...point("b", "a3", "a", 80_000, null, { name: "three" }),
  ];
  return visit(browser, pageOf(recordsFile("parallel", records), "parallel"), {}, async (page) => {
    const row = (name: string) => page.locator(".row", { hasText: name }).innerText();
    expect(await row("one")).toContain("∥");
    expect(await row("two")).toContain("∥");
    expect(await row("three")).toMatch(/unfinished/);
    expect(await row("three")).not.toContain("∥");
    expect(await page.locator(".findings").innerText()).toContain("1 point did not stop");
  });
});

test("a depth of 10,000 breaks nothing in any view", () => {
  const depth = 10_000;
  const ids = Array.from({ length: depth + 1 }, (_, at) => `p${at}`);
  const records = ids.slice(1).flatMap((id, at) => point("p0", id, ids[at], at, 2 * (depth - at)));
  return visit(browser, pageOf(recordsFile("deep", records), "deep"), {}, async (page) => {
    await page.keyboard.press("End");
    await expect.poll(() => page.locator(".row.selected").getAttribute("aria-level")).toBe(String(depth));
    for (const view of ["2", "3", "4", "5", "1"]) {
      await page.keyboard.press(view);
      await page.waitForTimeout(100);
    }
    await page.keyboard.press("ArrowLeft");
    await expect.poll(() => page.locator(".row.selected").getAttribute("aria-level")).toBe(String(depth - 1));
  });
});
