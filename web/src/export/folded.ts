// Folded stacks, for flame graphs.

import { NO_POINT, type Trace } from "../model/trace.ts";
import { oneLine } from "../text/clean.ts";
import { placeOf } from "./points.ts";

/** What is deeper counts for the last of so many frames. */
const MAX_FRAMES = 500;

interface Stack {
  frame: string;
  below: Stack | null;
  frames: number;
  self: number;
  above: Map<string, Stack>;
}

export function* folded(trace: Trace): Generator<string> {
  for (const stack of stacks(trace)) {
    if (stack.self > 0) {
      yield `${line(stack)} ${stack.self}\n`;
    }
  }
}

/** Equal stacks are one. */
function stacks(trace: Trace): Stack[] {
  const all: Stack[] = [];
  const roots = new Map<string, Stack>();
  const stackOf: Stack[] = [];
  for (let point = 0; point < trace.count; point++) {
    const parent = trace.parent(point);
    const below = parent === NO_POINT ? null : stackOf[parent];
    let stack = below;
    if (!below || below.frames < MAX_FRAMES) {
      const name = frame(trace, point);
      const known = below ? below.above : roots;
      stack = known.get(name) ?? null;
      if (!stack) {
        stack = { frame: name, below, frames: (below?.frames ?? 0) + 1, self: 0, above: new Map() };
        known.set(name, stack);
        all.push(stack);
      }
    }
    stackOf.push(stack as Stack);
    (stack as Stack).self += trace.self(point);
  }
  return all;
}

function line(top: Stack): string {
  const frames: string[] = [];
  for (let stack: Stack | null = top; stack; stack = stack.below) {
    frames.push(stack.frame);
  }
  return frames.reverse().join(";");
}

/** `project/service:name`. Semicolons part frames. */
function frame(trace: Trace, point: number): string {
  const place = placeOf(trace, point);
  return oneLine(`${place && `${place}:`}${trace.name(point)}`).replaceAll(";", ",");
}
