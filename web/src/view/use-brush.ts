// Choosing a stretch of time on the map: drag across it, or drag the window itself; the wheel zooms.

import { useEffect } from "preact/hooks";
import type { RefObject } from "preact";
import { length, toPixel, toTime } from "../layout/range.ts";
import type { TraceState } from "../state/trace-state.ts";

/** How near to an edge of the window a pointer takes hold of it, in pixels. */
const EDGE = 6;

export function useBrush(ref: RefObject<HTMLElement | null>, state: TraceState): void {
  useEffect(() => {
    const element = ref.current;
    if (!element) {
      return;
    }
    const x = (event: MouseEvent) => event.clientX - element.getBoundingClientRect().left;
    const time = (x: number) => toTime(state.all, element.clientWidth, x);
    let drag: ((now: number) => void) | null = null;

    const onDown = (event: PointerEvent) => {
      const range = state.range.peek();
      const at = x(event);
      const [left, right] = [range.from, range.to].map((us) => toPixel(state.all, element.clientWidth, us));
      const isWhole = length(range) >= length(state.all);
      element.setPointerCapture(event.pointerId);
      if (!isWhole && Math.abs(at - left) <= EDGE) {
        drag = (now) => state.setRange({ from: Math.min(now, range.to - 1), to: range.to });
      } else if (!isWhole && Math.abs(at - right) <= EDGE) {
        drag = (now) => state.setRange({ from: range.from, to: Math.max(now, range.from + 1) });
      } else if (!isWhole && at > left && at < right) {
        const grabbed = time(at);
        drag = (now) => state.setRange({ from: range.from + now - grabbed, to: range.to + now - grabbed });
      } else {
        const from = time(at);
        drag = (now) => state.setRange({ from: Math.min(from, now), to: Math.max(from, now) });
      }
    };
    const onMove = (event: PointerEvent) => {
      state.cursor.value = time(x(event));
      if (event.buttons === 1) {
        drag?.(time(x(event)));
      }
    };
    const onUp = () => (drag = null);
    const onLeave = () => (state.cursor.value = null);
    const onDouble = () => state.setRange(state.all);
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      state.zoom(1.0015 ** event.deltaY, time(x(event)));
    };
    element.addEventListener("pointerdown", onDown);
    element.addEventListener("pointermove", onMove);
    element.addEventListener("pointerup", onUp);
    element.addEventListener("pointerleave", onLeave);
    element.addEventListener("dblclick", onDouble);
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      element.removeEventListener("pointerdown", onDown);
      element.removeEventListener("pointermove", onMove);
      element.removeEventListener("pointerup", onUp);
      element.removeEventListener("pointerleave", onLeave);
      element.removeEventListener("dblclick", onDouble);
      element.removeEventListener("wheel", onWheel);
    };
  }, [ref, state]);
}
