// Paints the bars of the rows in view.

import type { Bar } from "../layout/bars.ts";
import { marks, type Range, stepOf, toPixel } from "../layout/range.ts";
import type { Theme } from "./theme.ts";
import type { ColorOf } from "./coloring.ts";

export interface WaterfallScene {
  width: number;
  height: number;
  rowHeight: number;
  /** Where the first bar begins, in pixels from the top. */
  top: number;
  bars: Bar[];
  range: Range;
  theme: Theme;
  colorOf: ColorOf;
  labelOf: (point: number) => string;
  isError: (point: number) => boolean;
  isFaded: (point: number) => boolean;
  criticalOf: (point: number) => Iterable<{ from: number; to: number }>;
}

const FONT = '11px "Liberation Sans", Roboto, "Segoe UI", system-ui, sans-serif';
/** Space between a bar and the time beside it. */
const GAP = 5;

export function drawWaterfall(context: CanvasRenderingContext2D, scene: WaterfallScene): void {
  context.clearRect(0, 0, scene.width, scene.height);
  drawGrid(context, scene);
  context.font = FONT;
  context.textBaseline = "middle";
  scene.bars.forEach((bar, at) => {
    const y = scene.top + at * scene.rowHeight;
    context.globalAlpha = scene.isFaded(bar.point) ? 0.3 : 1;
    drawBar(context, scene, bar, y);
  });
  context.globalAlpha = 1;
}

export function drawGrid(
  context: CanvasRenderingContext2D,
  { range, width, height, theme }: Pick<WaterfallScene, "range" | "width" | "height" | "theme">,
): void {
  context.fillStyle = theme.line;
  for (const at of marks(range, stepOf(range, width))) {
    context.fillRect(Math.round(toPixel(range, width, at)), 0, 1, height);
  }
}

function drawBar(context: CanvasRenderingContext2D, scene: WaterfallScene, bar: Bar, y: number): void {
  const { width, theme } = scene;
  const [left, right] = [Math.max(bar.x, -2), Math.min(bar.x + Math.max(bar.width, 1.5), width + 2)];
  if (right > 0 && left < width) {
    const [top, height] = [y + 5, scene.rowHeight - 11];
    const color = scene.colorOf(bar.point);
    context.fillStyle = color;
    context.beginPath();
    context.roundRect(left, top, right - left, height, Math.min(2, (right - left) / 2));
    context.fill();
    fadeChildren(context, bar, theme.surface, top, height, width);
    if (bar.isOpenEnded) {
      drawOpenEnd(context, theme.surface, left, right, top, height);
    }
    if (scene.isError(bar.point)) {
      context.fillStyle = theme.error;
      context.fillRect(left, top - 2, Math.max(right - left, 3), 2);
    }
    drawCritical(context, scene, bar.point, top + height + 1);
  }
  drawLabel(context, scene, left, right, y);
}

/** A line below where everything waited for the point. */
function drawCritical(context: CanvasRenderingContext2D, { range, width, theme, criticalOf }: WaterfallScene, point: number, y: number): void {
  context.fillStyle = theme.critical;
  let drawnTo = 0;
  for (const step of criticalOf(point)) {
    const from = Math.max(toPixel(range, width, step.from), drawnTo);
    const to = Math.min(toPixel(range, width, step.to), width);
    if (from >= width) {
      break;
    }
    if (to > from) {
      drawnTo = Math.max(to, from + 1);
      context.fillRect(from, y, drawnTo - from, 2);
    }
  }
}

/** What children did is paler than what the point did itself. */
function fadeChildren(context: CanvasRenderingContext2D, bar: Bar, surface: string, top: number, height: number, width: number): void {
  const alpha = context.globalAlpha;
  context.globalAlpha = alpha * 0.55;
  context.fillStyle = surface;
  for (const span of bar.children) {
    const [from, to] = [Math.max(span.x, -2), Math.min(span.x + span.width, width + 2)];
    if (to - from > 0.5) {
      context.fillRect(from, top + 1, to - from, height - 2);
    }
  }
  context.globalAlpha = alpha;
}

/** Teeth at the right end: nobody knows when it stopped. */
function drawOpenEnd(context: CanvasRenderingContext2D, surface: string, left: number, right: number, top: number, height: number): void {
  const depth = Math.min(6, (right - left) / 2);
  context.fillStyle = surface;
  context.beginPath();
  for (let tooth = 0; tooth < 2; tooth++) {
    const y = top + (tooth * height) / 2;
    context.moveTo(right + 1, y);
    context.lineTo(right - depth, y + height / 4);
    context.lineTo(right + 1, y + height / 2);
  }
  context.fill();
}

/** The time stands behind the bar if there is room, else before it, else on it. */
function drawLabel(context: CanvasRenderingContext2D, scene: WaterfallScene, left: number, right: number, y: number): void {
  const label = scene.labelOf(scene.bars[Math.round((y - scene.top) / scene.rowHeight)].point);
  const long = context.measureText(label).width;
  const middle = y + scene.rowHeight / 2;
  context.fillStyle = scene.theme.muted;
  if (right <= 0) {
    context.fillText(`‹ ${label}`, GAP, middle);
  } else if (left >= scene.width) {
    context.fillText(`${label} ›`, scene.width - long - GAP - 10, middle);
  } else if (right + GAP + long < scene.width) {
    context.fillText(label, right + GAP, middle);
  } else if (left - GAP - long > 0) {
    context.fillText(label, left - GAP - long, middle);
  } else {
    context.fillStyle = scene.theme.text;
    context.fillText(label, Math.max(left, 0) + GAP, middle);
  }
}
