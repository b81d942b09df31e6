// Moving about in time by wheel, pointer and two fingers.

import { useEffect } from "preact/hooks";
import type { RefObject } from "preact";
import { length, moved, toTime } from "../layout/range.ts";
import type { Timeline } from "../state/timeline.ts";

/** How much a notch of the wheel zooms. */
const WHEEL_ZOOM = 1.0015;
/** A pointer that moved less has clicked. */
const CLICK = 4;

export interface Gestures {
  /** Whether the wheel zooms also without a key held. */
  wheelZooms: boolean;
  /** Pixels of the element that are not time, at its left. */
  left?: number;
  onClick?(event: PointerEvent): void;
  onDoubleClick?(event: MouseEvent): void;
}

export function useTimeGestures(ref: RefObject<HTMLElement | null>, state: Timeline, gestures: Gestures): void {
  const { wheelZooms, left = 0, onClick, onDoubleClick } = gestures;
  useEffect(() => {
    const element = ref.current;
    if (!element) {
      return;
    }
    const width = () => Math.max(element.clientWidth - left, 1);
    const offset = (clientX: number) => clientX - element.getBoundingClientRect().left - left;
    const time = (clientX: number) => toTime(state.range.peek(), width(), offset(clientX));
    const pan = (pixels: number) => {
      const range = state.range.peek();
      state.setRange(moved(range, (pixels / width()) * length(range), state.all));
    };

    const onWheel = (event: WheelEvent) => {
      if (offset(event.clientX) < 0) {
        return;
      }
      const delta = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1);
      if (event.ctrlKey || event.metaKey || event.altKey || (wheelZooms && !event.shiftKey && Math.abs(event.deltaX) < Math.abs(delta))) {
        event.preventDefault();
        // A pinch on a touchpad comes as a wheel with small steps.
        const speed = event.ctrlKey && Math.abs(delta) < 50 ? 6 : 1;
        state.zoom(WHEEL_ZOOM ** (delta * speed), time(event.clientX));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(delta)) {
        event.preventDefault();
        pan(event.deltaX || delta);
      }
    };

    const pointers = new Map<number, PointerEvent>();
    let travelled = 0;
    let measuredFrom: number | null = null;
    const onDown = (event: PointerEvent) => {
      if (event.button !== 0 || offset(event.clientX) < 0) {
        return;
      }
      pointers.set(event.pointerId, event);
      travelled = 0;
      measuredFrom = event.shiftKey ? time(event.clientX) : null;
    };
    const onMove = (event: PointerEvent) => {
      state.cursor.value = offset(event.clientX) >= 0 ? time(event.clientX) : null;
      const before = pointers.get(event.pointerId);
      if (!before) {
        return;
      }
      const moved = event.clientX - before.clientX;
      travelled += Math.abs(moved) + Math.abs(event.clientY - before.clientY);
      if (travelled > CLICK && !element.hasPointerCapture(event.pointerId)) {
        element.setPointerCapture(event.pointerId);
      }
      const other = [...pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
      pointers.set(event.pointerId, event);
      if (measuredFrom !== null) {
        const now = time(event.clientX);
        state.ruler.value = { from: Math.min(measuredFrom, now), to: Math.max(measuredFrom, now) };
      } else if (other) {
        const distance = Math.abs(before.clientX - other.clientX) || 1;
        const now = Math.abs(event.clientX - other.clientX) || 1;
        state.zoom(distance / now, time((event.clientX + other.clientX) / 2));
        pan(-moved / 2);
      } else if (travelled > CLICK) {
        pan(-moved);
      }
    };
    const onUp = (event: PointerEvent) => {
      if (pointers.delete(event.pointerId) && travelled <= CLICK) {
        if (event.shiftKey) {
          state.ruler.value = null;
        } else {
          onClick?.(event);
        }
      }
    };
    const onLeave = () => (state.cursor.value = null);
    const onCancel = (event: PointerEvent) => pointers.delete(event.pointerId);
    const onDouble = (event: MouseEvent) => onDoubleClick?.(event);

    element.addEventListener("wheel", onWheel, { passive: false });
    element.addEventListener("pointerdown", onDown);
    element.addEventListener("pointermove", onMove);
    element.addEventListener("pointerup", onUp);
    element.addEventListener("pointercancel", onCancel);
    element.addEventListener("pointerleave", onLeave);
    element.addEventListener("dblclick", onDouble);
    return () => {
      element.removeEventListener("wheel", onWheel);
      element.removeEventListener("pointerdown", onDown);
      element.removeEventListener("pointermove", onMove);
      element.removeEventListener("pointerup", onUp);
      element.removeEventListener("pointercancel", onCancel);
      element.removeEventListener("pointerleave", onLeave);
      element.removeEventListener("dblclick", onDouble);
    };
  }, [ref, state, wheelZooms, left, onClick, onDoubleClick]);
}
