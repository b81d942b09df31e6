// The waterfall as a drawing.

import { NO_POINT, type Point, type Trace } from "../model/trace.ts";
import { oneLine } from "../text/clean.ts";
import { utcMicros } from "../text/time.ts";
import { duration } from "../text/units.ts";
import { cut, endOf, label, placeOf } from "./points.ts";

/** Points that are drawn; of more, those that took longest, with what encloses them. */
const MAX_ROWS = 1000;
const ROW = 18;
const TOP = 44;
/** Where the bars begin, and how wide they are together. */
const LEFT = 480;
const WIDTH = 700;
const TIME = 80;
const INDENT = 10;
const MAX_INDENT = 20;
/** Characters that fit beside the bars. */
const LABEL = 62;
/** Colours of services, told apart by those who see colours differently too (Okabe and Ito). */
const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f"];

export function* svg(trace: Trace): Generator<string> {
  const rows = chosen(trace);
  const leftOut = trace.count - rows.length;
  const width = LEFT + WIDTH + TIME;
  const height = TOP + ROW * (rows.length + (leftOut > 0 ? 1 : 0)) + 8;
  yield `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">\n`;
  yield '<rect width="100%" height="100%" fill="#ffffff"/>\n';
  yield* head(trace, height);
  for (const [at, point] of rows.entries()) {
    yield row(trace, point, TOP + at * ROW);
  }
  if (leftOut > 0) {
    yield `<text x="8" y="${TOP + rows.length * ROW + 13}" fill="#666666">${leftOut} shorter points are not drawn</text>\n`;
  }
  yield "</svg>\n";
}

function chosen(trace: Trace): Point[] {
  const all = Array.from({ length: trace.count }, (_, point) => point);
  if (all.length <= MAX_ROWS) {
    return all;
  }
  const length = (point: Point) => endOf(trace, point) - trace.start(point);
  const isDrawn = new Uint8Array(trace.count);
  let left = MAX_ROWS;
  for (const point of all.toSorted((a, b) => length(b) - length(a))) {
    const fresh: Point[] = [];
    for (let at = point; at !== NO_POINT && !isDrawn[at] && fresh.length <= left; at = trace.parent(at)) {
      fresh.push(at);
    }
    if (fresh.length > left) {
      break;
    }
    left -= fresh.length;
    fresh.forEach((at) => (isDrawn[at] = 1));
  }
  return all.filter((point) => isDrawn[point]);
}

function* head({ header }: Trace, height: number): Generator<string> {
  const title = escaped(`trace ${header.base_id ?? ""}, ${time(header.duration_us)}, ${utcMicros(header.started_us)} UTC`);
  yield `<title>${title}</title>\n<text x="8" y="16" font-weight="bold">${title}</text>\n`;
  for (let quarter = 0; quarter <= 4; quarter++) {
    const x = LEFT + (WIDTH * quarter) / 4;
    const us = time(Math.floor(header.duration_us / 4) * quarter);
    yield `<path d="M${x} ${TOP}V${height}" stroke="#dddddd"/><text x="${x}" y="36" text-anchor="middle" fill="#666666">${us}</text>\n`;
  }
}

function row(trace: Trace, point: Point, y: number): string {
  const place = (us: number) => (us / Math.max(trace.header.duration_us, 1)) * WIDTH;
  const x = place(trace.start(point));
  const width = Math.max(place(endOf(trace, point) - trace.start(point)), 1);
  const depth = Math.min(trace.depth(point), MAX_INDENT);
  const text = label(trace, point);
  const us = trace.duration(point);
  const taken = us === null ? "unfinished" : time(us);
  const [fill, style] = strokeOf(trace, point);
  const short = escaped(cut(text, LABEL - Math.floor((depth * 3) / 2)));
  const bar = `<rect x="${(LEFT + x).toFixed(1)}" y="${y + 3}" width="${width.toFixed(1)}" height="${ROW - 6}" fill="${colorOf(trace, point)}"${style}/>`;
  const after = `<text x="${(LEFT + Math.min(x + width, WIDTH) + 4).toFixed(1)}" y="${y + 13}">${escaped(taken)}</text>`;
  return `<g><title>${escaped(hint(trace, point, text, taken))}</title><text x="${8 + INDENT * depth}" y="${y + 13}" fill="${fill}">${short}</text>${bar}${after}</g>\n`;
}

function strokeOf(trace: Trace, point: Point): [fill: string, style: string] {
  if (trace.is(point, "error")) {
    return ["#b00020", ' stroke="#b00020" stroke-width="2"'];
  }
  return ["#000000", trace.is(point, "unfinished") ? ' stroke="#000000" stroke-dasharray="3 2"' : ""];
}

function hint(trace: Trace, point: Point, text: string, taken: string): string {
  const host = trace.columns.host[point];
  const error = trace.is(point, "error") ? `\n${trace.error(point)}` : "";
  return `${text}\n${taken}\n${placeOf(trace, point)}${host > 0 ? ` on ${oneLine(trace.text(host))}` : ""}${error}`;
}

function colorOf(trace: Trace, point: Point): string {
  return placeOf(trace, point) === "" ? "#7f7f7f" : COLORS[trace.serviceOf[point] % COLORS.length];
}

/** As the program writes it: with plain letters, and seconds for whatever is longer. */
function time(us: number): string {
  if (Math.abs(us) >= 600_000_000) {
    return `${us < 0 ? "-" : ""}${Math.floor((Math.floor(Math.abs(us) / 1000) + 500) / 1000)} s`;
  }
  return duration(us).replace("−", "-").replace("µs", "us");
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Any text as text of XML, on lines. */
function escaped(text: string): string {
  const lines = text.split("\n").map((line) => oneLine(line));
  return lines.join("\n").replace(/[&<>"]/g, (character) => ENTITIES[character]).replace(/[\ufffe\uffff]/g, "\ufffd");
}
