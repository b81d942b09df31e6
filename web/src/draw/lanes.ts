// Paints the service lanes: solid where a service worked, pale where it waited for others.

import type { Lane } from "../layout/lanes.ts";
import { type Range, toPixel } from "../layout/range.ts";
import type { Step } from "../model/critical.ts";
import { NO_POINT } from "../model/trace.ts";
import type { Theme } from "./theme.ts";

export interface LanesScene {
  width: number;
  height: number;
  laneHeight: number;
  lanes: Lane[];
  theme: Theme;
  all: Range;
  critical: Step[];
  laneOf: (point: number) => number;
  matches: Uint8Array | null;
}

const PALE = 0.22;

export function drawLanes(context: CanvasRenderingContext2D, scene: LanesScene): void {
  const { theme, laneHeight } = scene;
  context.clearRect(0, 0, scene.width, scene.height);
  scene.lanes.forEach((lane, at) => {
    const y = at * laneHeight;
    context.fillStyle = theme.series[at % theme.series.length];
    for (let cell = 0; cell < lane.isOpen.length; cell++) {
      if (lane.isOpen[cell]) {
        context.globalAlpha = PALE + (1 - PALE) * lane.busy[cell];
        context.fillRect(cell, y + 2, 1, laneHeight - 5);
      }
    }
    context.globalAlpha = 1;
    context.fillStyle = theme.error;
    lane.hasError.forEach((hasError, cell) => hasError && context.fillRect(cell - 1, y, 3, laneHeight - 2));
  });
  drawCritical(context, scene);
  if (scene.matches) {
    context.fillStyle = theme.match;
    scene.matches.forEach((isMatch, cell) => isMatch && context.fillRect(cell - 0.5, scene.height - 7, 2, 7));
  }
}

/** A line below the lane of the service that everything waited for. */
function drawCritical(context: CanvasRenderingContext2D, { all, width, critical, laneOf, laneHeight, lanes, theme }: LanesScene): void {
  context.fillStyle = theme.critical;
  for (const { point, from, to } of critical) {
    if (point !== NO_POINT && laneOf(point) < lanes.length) {
      const x = toPixel(all, width, from);
      context.fillRect(x, laneOf(point) * laneHeight + laneHeight - 2, Math.max(toPixel(all, width, to) - x, 0.5), 1.5);
    }
  }
}
