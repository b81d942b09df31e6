import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import { type Theme, theme } from "../draw/theme.ts";

/** For measurements: when something of a trace was drawn for the first time. */
function markDrawn(): void {
  if (performance.getEntriesByName("drawn").length === 0) {
    performance.mark("drawn");
  }
}

export interface Size {
  width: number;
  height: number;
}

/** The size of an element, as it changes. */
export function useSize(ref: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) {
      return;
    }
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return size;
}

/** A canvas that is painted whenever its component renders, at the pixels of the screen. */
export function useCanvas({ width, height }: Size, draw: (context: CanvasRenderingContext2D, theme: Theme) => void): RefObject<HTMLCanvasElement | null> {
  const ref = useRef<HTMLCanvasElement>(null);
  // Signals count for a component only where it reads them as it renders, which painting is not.
  const colors = theme.value;
  useLayoutEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext("2d");
    if (!canvas || !context || width <= 0 || height <= 0) {
      return;
    }
    const ratio = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== across || canvas.height !== down) {
      canvas.width = across;
      canvas.height = down;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(context, colors);
    markDrawn();
  });
  return ref;
}
