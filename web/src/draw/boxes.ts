// Paints the boxes of a flame graph.

import type { Box } from "../layout/boxes.ts";
import { marks, type Range, stepOf, toPixel } from "../layout/range.ts";
import type { Theme } from "./theme.ts";

export interface BoxesScene {
  width: number;
  height: number;
  lineHeight: number;
  /** Where line 0 begins, in pixels from the top. */
  top: number;
  boxes: Box[];
  range: Range;
  theme: Theme;
  colorOf(item: number): string;
  labelOf(item: number): string;
  isError(item: number): boolean;
  isFaded(item: number): boolean;
  isSelected(item: number): boolean;
}

const FONT = '11px "Liberation Sans", Roboto, "Segoe UI", system-ui, sans-serif';
/** Boxes that are narrower have no text. */
const MIN_TEXT = 28;

export function drawBoxes(context: CanvasRenderingContext2D, scene: BoxesScene): void {
  const { width, height, lineHeight, theme, range } = scene;
  context.clearRect(0, 0, width, height);
  context.fillStyle = theme.line;
  for (const at of marks(range, stepOf(range, width))) {
    context.fillRect(Math.round(toPixel(range, width, at)), 0, 1, height);
  }
  context.font = FONT;
  context.textBaseline = "middle";
  for (const box of scene.boxes) {
    const left = Math.max(box.x, -1);
    const right = Math.min(box.x + box.width, width + 1);
    const y = scene.top + box.line * lineHeight;
    context.globalAlpha = scene.isFaded(box.item) ? 0.25 : 1;
    context.fillStyle = scene.colorOf(box.item);
    // A hair between neighbours, if there is room for it.
    context.fillRect(left, y, Math.max(right - left - (box.width > 3 ? 1 : 0), 0.6), lineHeight - 1);
    if (scene.isError(box.item)) {
      context.fillStyle = theme.error;
      context.fillRect(left, y, Math.max(right - left - 1, 1), 3);
    }
    if (scene.isSelected(box.item)) {
      context.strokeStyle = theme.text;
      context.lineWidth = 2;
      context.strokeRect(left + 1, y + 1, Math.max(right - left - 3, 1), lineHeight - 3);
    }
    if (right - left > MIN_TEXT) {
      drawText(context, scene, scene.labelOf(box.item), left, right, y);
    }
  }
  context.globalAlpha = 1;
}

function drawText(context: CanvasRenderingContext2D, { lineHeight, theme }: BoxesScene, label: string, left: number, right: number, y: number): void {
  // No font has characters narrower than two pixels: what is behind is not even looked at.
  const text = label.slice(0, Math.ceil((right - left) / 2));
  context.save();
  context.beginPath();
  context.rect(left, y, right - left - 4, lineHeight);
  context.clip();
  context.fillStyle = theme.onSeries;
  context.fillText(text, left + 4, y + lineHeight / 2);
  context.restore();
}
