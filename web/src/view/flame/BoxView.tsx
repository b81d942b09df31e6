import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useCallback, useRef } from "preact/hooks";
import { type BoxesScene, drawBoxes } from "../../draw/boxes.ts";
import { type Box, boxes, type BoxSource } from "../../layout/boxes.ts";
import type { Timeline } from "../../state/timeline.ts";
import { Cursor, Ruler, TimeAxis } from "../TimeAxis.tsx";
import { useCanvas, useSize } from "../use-canvas.ts";
import { useTimeGestures } from "../use-time-gestures.ts";

export const LINE = 19;

interface BoxViewProps {
  label: string;
  timeline: Timeline;
  source: BoxSource;
  look: Pick<BoxesScene, "colorOf" | "labelOf" | "isError" | "isFaded" | "isSelected">;
  /** What is said about a box under the pointer. */
  tip(item: number): ComponentChildren;
  onClick(item: number | null): void;
  onDoubleClick(item: number): void;
  /** Lines that stand above the lines of the boxes, such as names of hosts. */
  children?: (top: number) => ComponentChildren;
}

interface Tip {
  item: number;
  x: number;
  y: number;
}

/** A drawing of boxes in lines, in which one can move about. */
export function BoxView({ label, timeline, source, look, tip, onClick, onDoubleClick, children }: BoxViewProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const surface = useRef<HTMLDivElement>(null);
  const shown = useRef<Box[]>([]);
  const { width, height } = useSize(scroller);
  const scrolled = useSignal(0);
  const tipped = useSignal<Tip | null>(null);
  const full = (source.from.length - 1) * LINE + 4;
  const viewHeight = Math.min(height, full);

  const boxAt = useCallback((event: MouseEvent): Box | undefined => {
    const bounds = surface.current?.getBoundingClientRect();
    const [x, y] = [event.clientX - (bounds?.left ?? 0), event.clientY - (bounds?.top ?? 0)];
    const line = Math.floor((y + (scroller.current?.scrollTop ?? 0)) / LINE);
    return shown.current.find((box) => box.line === line && x >= box.x - 1 && x <= box.x + box.width + 1);
  }, []);
  const click = useCallback((event: PointerEvent) => onClick(boxAt(event)?.item ?? null), [onClick, boxAt]);
  const doubleClick = useCallback(
    (event: MouseEvent) => {
      const box = boxAt(event);
      if (box) {
        onDoubleClick(box.item);
      }
    },
    [onDoubleClick, boxAt],
  );
  // The wheel scrolls only where there is something to scroll.
  useTimeGestures(surface, timeline, { wheelZooms: full <= height, onClick: click, onDoubleClick: doubleClick });

  const range = timeline.range.value;
  const top = scrolled.value;
  shown.current = boxes(source, range, width, Math.floor(top / LINE), Math.ceil((top + height) / LINE));
  const canvas = useCanvas({ width, height: viewHeight }, (context, theme) =>
    drawBoxes(context, {
      width,
      height: viewHeight,
      lineHeight: LINE,
      top: -top,
      boxes: shown.current,
      range,
      theme,
      ...look,
    }),
  );
  const onMove = (event: PointerEvent) => {
    const box = event.buttons === 0 ? boxAt(event) : undefined;
    tipped.value = box ? { item: box.item, x: event.clientX, y: event.clientY } : null;
  };
  return (
    <div class="box-view">
      <div class="waterfall-head">
        <TimeAxis state={timeline} />
      </div>
      <div
        class="scroller"
        ref={scroller}
        tabIndex={0}
        role="img"
        aria-label={label}
        onScroll={({ currentTarget }) => (scrolled.value = currentTarget.scrollTop)}
      >
        <div style={{ height: `${full}px` }}>
          <div
            class="rows surface"
            ref={surface}
            style={{ height: `${viewHeight}px` }}
            onPointerMove={onMove}
            onPointerLeave={() => (tipped.value = null)}
          >
            <canvas ref={canvas} />
            {children?.(top)}
            <Cursor state={timeline} width={width} />
            <Ruler state={timeline} width={width} />
          </div>
        </div>
      </div>
      {tipped.value && (
        <div class="tip" style={placeOf(tipped.value)}>
          {tip(tipped.value.item)}
        </div>
      )}
    </div>
  );
}

/** Beside the pointer, on the side where there is room. */
function placeOf({ x, y }: Tip) {
  const across = x > innerWidth / 2 ? { right: `${innerWidth - x + 12}px` } : { left: `${x + 12}px` };
  const down = y > innerHeight / 2 ? { bottom: `${innerHeight - y + 12}px` } : { top: `${y + 12}px` };
  return { ...across, ...down };
}
