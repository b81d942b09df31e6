// Paints the service lanes: solid where a service worked, pale where it waited for others.

import type { Lane } from "../layout/lanes.ts";
import { marks, type Range, stepOf, toPixel } from "../layout/range.ts";
import { axisTime } from "../text/units.ts";
import type { Theme } from "./theme.ts";

export interface LanesScene {
  width: number;
  height: number;
  laneHeight: number;
  lanes: Lane[];
  theme: Theme;
  all: Range;
  /** By lane, the cells in which everything waited for it. */
  critical: Uint8Array[];
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
    context.fillStyle = theme.critical;
    scene.critical[at].forEach((isCritical, cell) => isCritical && context.fillRect(cell, y + laneHeight - 2, 1, 1.5));
    context.fillStyle = theme.error;
    lane.hasError.forEach((hasError, cell) => hasError && context.fillRect(cell - 1, y, 3, laneHeight - 2));
  });
  drawTimes(context, scene);
  if (scene.matches) {
    context.fillStyle = theme.match;
    scene.matches.forEach((isMatch, cell) => isMatch && context.fillRect(cell - 0.5, scene.height - 15, 2, 7));
  }
}

function drawTimes(context: CanvasRenderingContext2D, { all, width, height, theme }: LanesScene): void {
  const step = stepOf(all, width, 110);
  context.font = '10px "Liberation Sans", Roboto, "Segoe UI", system-ui, sans-serif';
  context.textBaseline = "bottom";
  for (const at of marks(all, step)) {
    const x = Math.round(toPixel(all, width, at));
    context.fillStyle = theme.strongLine;
    context.fillRect(x, height - 13, 1, 13);
    context.fillStyle = theme.muted;
    context.fillText(axisTime(at, step), x + 4, height - 1);
  }
}
