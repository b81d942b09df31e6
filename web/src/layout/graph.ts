// Where the services of a call graph stand, callers above what they call, and how the lines between them run.
//
// A line that passes a row of services gets a slot of its own there, so that it runs between them.

import { type Call, ranks } from "../model/calls.ts";

export interface Place {
  x: number;
  y: number;
}

export interface GraphLayout {
  width: number;
  height: number;
  /** The upper left corner of each service. */
  places: Place[];
  /** For each call, the path of its line and where its label stands. */
  lines: { path: string; label: Place }[];
}

export const NODE = { width: 196, height: 54 } as const;
const GAP = { across: 28, down: 58 } as const;
const SLOT = 96;
const MARGIN = 24;
const ARROW = 7;

/** What stands in a row: a service, or a line that passes by. */
interface Item {
  row: number;
  width: number;
  /** The middle. */
  x: number;
  above: Item[];
  below: Item[];
}

export function graphLayout(count: number, calls: Call[]): GraphLayout {
  const rank = ranks(count, calls);
  const services = rank.map((row) => item(row, NODE.width));
  const rows: Item[][] = [];
  services.forEach((service) => (rows[service.row] ??= []).push(service));
  const routes = calls.map(({ from, to }) => route(rows, services[from], services[to]));
  order(rows);
  const width = place(rows);
  services.forEach(({ above, below }) => [above, below].forEach((items) => items.sort((a, b) => a.x - b.x)));
  return {
    width: width + 2 * MARGIN,
    height: rows.length * (NODE.height + GAP.down) - GAP.down + 2 * MARGIN,
    places: services.map(({ x, row }) => ({ x: x - NODE.width / 2, y: topOf(row) })),
    lines: routes.map(line),
  };
}

function item(row: number, width: number): Item {
  return { row, width, x: 0, above: [], below: [] };
}

/** The stops of a line; what passes a row takes part in it. A call back up has only its two ends. */
function route(rows: Item[][], from: Item, to: Item): Item[] {
  const stops = [from];
  for (let row = from.row + 1; row < to.row; row++) {
    const passing = item(row, SLOT);
    rows[row].push(passing);
    stops.push(passing);
  }
  stops.push(to);
  if (to.row > from.row) {
    for (let at = 1; at < stops.length; at++) {
      stops[at - 1].below.push(stops[at]);
      stops[at].above.push(stops[at - 1]);
    }
  }
  return stops;
}

/** Brings what is connected near to each other, row by row, down and up again. */
function order(rows: Item[][]): void {
  const spread = () => rows.forEach((row) => row.forEach((item, at) => (item.x = at - row.length / 2)));
  spread();
  for (let pass = 0; pass < 4; pass++) {
    const neighbours = pass % 2 === 0 ? "above" : "below";
    const sequence = pass % 2 === 0 ? rows : [...rows].reverse();
    for (const row of sequence) {
      const wanted = new Map(row.map((item) => [item, middle(item[neighbours]) ?? item.x]));
      row.sort((a, b) => wanted.get(a)! - wanted.get(b)!);
      row.forEach((item, at) => (item.x = at - row.length / 2));
    }
  }
}

function middle(items: Item[]): number | null {
  return items.length === 0 ? null : items.reduce((sum, { x }) => sum + x, 0) / items.length;
}

/** Sets the rows, each in the middle; gives the width of the widest. */
function place(rows: Item[][]): number {
  const widths = rows.map((row) => row.reduce((sum, { width }) => sum + width + GAP.across, -GAP.across));
  const widest = Math.max(...widths, NODE.width);
  rows.forEach((row, at) => {
    let x = MARGIN + (widest - widths[at]) / 2;
    for (const item of row) {
      item.x = x + item.width / 2;
      x += item.width + GAP.across;
    }
  });
  return widest;
}

const topOf = (row: number) => MARGIN + row * (NODE.height + GAP.down);

/** Labels of lines that end side by side stand one above the other. */
function line(stops: Item[]): { path: string; label: Place } {
  const [from, to] = [stops[0], stops[stops.length - 1]];
  if (to.row <= from.row) {
    return backwards(from, to);
  }
  let at = { x: from.x + port(from, from.below.indexOf(stops[1]), from.below.length), y: topOf(from.row) + NODE.height };
  let path = `M${at.x} ${at.y}`;
  stops.slice(1).forEach((stop) => {
    const isLast = stop === to;
    const x = isLast ? to.x + port(to, to.above.indexOf(stops[stops.length - 2]), to.above.length) : stop.x;
    const y = topOf(stop.row) - (isLast ? ARROW : 0);
    const bend = (y - at.y) / 2;
    path += `C${at.x} ${at.y + bend} ${x} ${y - bend} ${x} ${y}`;
    at = { x, y };
    if (!isLast) {
      at = { x, y: topOf(stop.row) + NODE.height };
      path += `L${at.x} ${at.y}`;
    }
  });
  const higher = to.above.indexOf(stops[stops.length - 2]) % 4;
  return { path, label: { x: at.x, y: at.y - 8 - higher * 12 } };
}

/** Lines that leave a service side by side, in the order of where they go. */
function port({ width }: Item, at: number, count: number): number {
  return ((at + 1) / (count + 1) - 0.5) * width * 0.7;
}

/** Back up to a caller: around the right side of both. */
function backwards(from: Item, to: Item): { path: string; label: Place } {
  const start = { x: from.x + NODE.width / 2, y: topOf(from.row) + NODE.height / 2 };
  const end = { x: to.x + NODE.width / 2 + ARROW, y: topOf(to.row) + NODE.height / 2 };
  const right = Math.max(start.x, end.x) + 60;
  return {
    path: `M${start.x} ${start.y}C${right} ${start.y} ${right} ${end.y} ${end.x} ${end.y}`,
    label: { x: right - 14, y: (start.y + end.y) / 2 },
  };
}
