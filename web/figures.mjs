// How long pages take to their first drawing, how many frames a second they zoom, pan and scroll, and how much
// memory their tab has: `npm run figures PAGE.html...`. docs/page.md has the figures, and how pages are made.
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { chromium } from "playwright-core";

const STEPS = 60;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

/** Frames a second while `act` runs in the page. */
async function frames(page, act) {
  return page.evaluate(
    async ([act, steps]) => {
      const next = () => new Promise(requestAnimationFrame);
      const scroller = document.querySelector(".scroller");
      const bars = document.querySelector(".bars");
      const { x, y, width } = bars.getBoundingClientRect();
      const wheel = (keys, deltaY) =>
        bars.dispatchEvent(
          new WheelEvent("wheel", { ...keys, deltaY, clientX: x + width / 2, clientY: y + 90, bubbles: true, cancelable: true }),
        );
      const acts = {
        zoom: (at) => wheel({ ctrlKey: true }, at < steps / 2 ? -80 : 80),
        pan: () => wheel({ shiftKey: true }, 60),
        scroll: () => (scroller.scrollTop += 3000),
      };
      const begin = await next();
      let end = begin;
      for (let at = 0; at < steps; at++) {
        acts[act](at);
        end = await next();
      }
      return Math.round((steps / (end - begin)) * 1000);
    },
    [act, STEPS],
  );
}

/** Megabytes of the largest process that draws a page. */
function memory() {
  const sizes = execFileSync("ps", ["-eo", "rss,args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes("--type=renderer"))
    .map((line) => Number.parseInt(line, 10));
  return Math.round(Math.max(...sizes) / 1024);
}

console.log("page | first drawing, ms | zoom, frames/s | pan | scroll | memory, MB");
for (const file of process.argv.slice(2)) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(`file://${resolve(file)}`);
  await page.waitForFunction(() => performance.getEntriesByName("drawn").length > 0);
  const drawn = await page.evaluate(() => Math.round(performance.getEntriesByName("drawn")[0].startTime));
  await page.waitForTimeout(500);
  const rates = [];
  for (const act of ["zoom", "pan", "scroll"]) {
    rates.push(await frames(page, act));
  }
  console.log([file, drawn, ...rates, memory()].join(" | "));
  await browser.close();
}
