// A browser that tells whatever a page does that it must not.

import { mkdirSync } from "node:fs";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

export type Theme = "light" | "dark";

/** Debian's; another one may be named. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SCREENSHOTS = resolve(import.meta.dirname, "../../target/screenshots");
const AXE = readFileSync(resolve(import.meta.dirname, "../node_modules/axe-core/axe.min.js"), "utf8");

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

export interface Opened {
  page: Page;
  /** What the page did that it must not: errors, requests elsewhere, dialogs. */
  faults: string[];
}

export interface How {
  theme?: Theme;
  width?: number;
  height?: number;
  hash?: string;
}

/** Opens a file or an address, and waits until something is drawn. */
export async function open(browser: Browser, target: string, how: How = {}): Promise<Opened> {
  const { theme = "light", width = 1440, height = 900, hash = "" } = how;
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height }, acceptDownloads: true });
  const page = await context.newPage();
  const faults: string[] = [];
  const url = target.startsWith("http") ? target : pathToFileURL(target).href;
  const origin = target.startsWith("http") ? new URL(target).origin : "file://";
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && faults.push(`console: ${message.text()}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const asked = request.url();
    if (asked.replace(/#.*/, "") !== url && !/^(blob|data):/.test(asked) && !(origin !== "file://" && asked.startsWith(`${origin}/`))) {
      faults.push(`request: ${asked}`);
    }
  });
  if (origin === "file://") {
    await context.setOffline(true);
  }
  await page.goto(url + hash);
  await page.waitForSelector(".reading:not([role=alert])", { state: "detached" });
  return { page, faults };
}

/** Opens, does something, and expects that nothing went wrong meanwhile. */
export async function visit(browser: Browser, target: string, how: How, act: (page: Page) => Promise<void>): Promise<void> {
  const { page, faults } = await open(browser, target, how);
  try {
    await act(page);
    expect(faults).toEqual([]);
  } finally {
    await page.context().close();
  }
}

/** Puts what is seen into target/screenshots. */
export async function shot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** Violations of accessibility that are serious or worse, a line each. */
export async function violations(page: Page): Promise<string[]> {
  // The page's own policy lets no script in; this goes in from outside of it.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    interface Violation {
      id: string;
      impact: string;
      nodes: { target: string[]; failureSummary: string }[];
    }
    const { violations } = await axe.run();
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map(({ target, failureSummary }) => `${target}: ${failureSummary}`) }));
  });
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.join("; ")}`);
}

export async function view(page: Page, label: string): Promise<void> {
  await page.getByRole("tab", { name: label, exact: true }).click();
}
