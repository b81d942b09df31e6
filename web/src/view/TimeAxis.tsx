import { useRef } from "preact/hooks";
import { length, marks, stepOf, toPixel } from "../layout/range.ts";
import type { Timeline } from "../state/timeline.ts";
import { axisTime, duration } from "../text/units.ts";
import { useSize } from "./use-canvas.ts";
import { useTimeGestures } from "./use-time-gestures.ts";

/** The times of what is in view; the wheel zooms here. */
export function TimeAxis({ state }: { state: Timeline }) {
  const ref = useRef<HTMLDivElement>(null);
  const { width } = useSize(ref);
  useTimeGestures(ref, state, { wheelZooms: true });
  const range = state.range.value;
  const step = stepOf(range, width);
  return (
    <div class="axis" ref={ref} aria-hidden="true">
      {width > 0 &&
        [...marks(range, step)].map((at) => (
          <span key={at} style={{ left: `${toPixel(range, width, at)}px` }}>
            {axisTime(at, step)}
          </span>
        ))}
      <Cursor state={state} width={width} isNamed />
      <Ruler state={state} width={width} isNamed />
    </div>
  );
}

interface OverlayProps {
  state: Timeline;
  width: number;
  isNamed?: boolean;
}

/** The instant under the pointer. */
export function Cursor({ state, width, isNamed = false }: OverlayProps) {
  const at = state.cursor.value;
  const range = state.range.value;
  if (at === null || at < range.from || at > range.to) {
    return null;
  }
  const x = toPixel(range, width, at);
  return (
    <div class="cursor" style={{ left: `${x}px` }}>
      {isNamed && (
        <span class={x > width - 90 ? "left" : ""}>{axisTime(at, length(range) / Math.max(width, 1))}</span>
      )}
    </div>
  );
}

/** What is measured between two instants. */
export function Ruler({ state, width, isNamed = false }: OverlayProps) {
  const ruler = state.ruler.value;
  if (!ruler) {
    return null;
  }
  const [left, right] = [toPixel(state.range.value, width, ruler.from), toPixel(state.range.value, width, ruler.to)];
  return (
    <div class="ruler" style={{ left: `${left}px`, width: `${right - left}px` }}>
      {isNamed && <span>{duration(length(ruler))}</span>}
    </div>
  );
}
