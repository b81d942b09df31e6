import { useSignal } from "@preact/signals";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { colorOf } from "../../draw/coloring.ts";
import { drawWaterfall } from "../../draw/waterfall.ts";
import { bar } from "../../layout/bars.ts";
import { rowOf } from "../../layout/rows.ts";
import { stepsOf } from "../../model/critical.ts";
import { NO_POINT, type Point } from "../../model/trace.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { duration } from "../../text/units.ts";
import { Cursor, Ruler, TimeAxis } from "../TimeAxis.tsx";
import { useCanvas, useSize } from "../use-canvas.ts";
import { useTimeGestures } from "../use-time-gestures.ts";
import { Row } from "./Row.tsx";
import { Levels } from "./Levels.tsx";
import { Splitter } from "./Splitter.tsx";

export const ROW = 24;
/** Browsers end elements that are much higher; with more rows, a pixel of scrolling is more than one. */
const MAX_HEIGHT = 8_000_000;

/** The tree of points, each with its bar. Only the rows in view exist. */
export function Waterfall({ state }: { state: TraceState }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(scroller);
  const scrolled = useSignal(0);
  const treeWidth = useSignal(0.42);

  const rows = state.rows.value;
  const full = rows.length * ROW;
  const spacer = Math.min(full, MAX_HEIGHT);
  const scale = spacer > height ? (full - height) / (spacer - height) : 1;
  const top = scrolled.value * scale;
  const first = Math.max(0, Math.floor(top / ROW));
  const inView = rows.subarray(first, Math.min(rows.length, first + Math.ceil(height / ROW) + 1));
  const left = Math.round(width * treeWidth.value);

  const selected = state.selected.value;
  useReveal(state, scroller, rows, scale, height);
  return (
    <div class="waterfall">
      <div class="waterfall-head">
        <div style={{ width: `${left}px` }}>
          <Levels state={state} />
        </div>
        <TimeAxis state={state} />
      </div>
      <div
        class="scroller"
        ref={scroller}
        onScroll={({ currentTarget }) => (scrolled.value = currentTarget.scrollTop)}
      >
        <div style={{ height: `${spacer}px` }}>
          <div class="rows" style={{ height: `${Math.min(height, spacer)}px` }}>
            <div
              class="tree"
              role="tree"
              tabIndex={0}
              aria-label="Points"
              aria-activedescendant={inView.includes(selected) ? `row-${selected}` : undefined}
            >
              {Array.from(inView, (point, at) => (
                <Row key={point} state={state} point={point} top={(first + at) * ROW - top} left={left} />
              ))}
            </div>
            <Bars state={state} points={inView} top={first * ROW - top} left={left} width={width - left} height={Math.min(height, spacer)} />
            <Splitter width={width} part={treeWidth} />
          </div>
        </div>
      </div>
      {rows.length === 0 && <p class="nothing">No point matches.</p>}
    </div>
  );
}

interface BarsProps {
  state: TraceState;
  points: Uint32Array;
  top: number;
  left: number;
  width: number;
  height: number;
}

function Bars({ state, points, top, left, width, height }: BarsProps) {
  const { trace } = state;
  const ref = useRef<HTMLDivElement>(null);
  const pointAt = useCallback(
    (event: MouseEvent): Point => {
      const y = event.clientY - (ref.current?.getBoundingClientRect().top ?? 0);
      return points[Math.floor((y - top) / ROW)] ?? NO_POINT;
    },
    [points, top],
  );
  const onClick = useCallback((event: PointerEvent) => state.select(pointAt(event)), [state, pointAt]);
  const onDoubleClick = useCallback(
    (event: MouseEvent) => {
      const point = pointAt(event);
      if (point !== NO_POINT) {
        state.zoomTo(point);
      }
    },
    [state, pointAt],
  );
  useTimeGestures(ref, state, { wheelZooms: false, onClick, onDoubleClick });
  const range = state.range.value;
  const found = state.search.found.value;
  const critical = state.critical.value;
  const coloring = state.coloring.value;
  const canvas = useCanvas({ width, height }, (context, theme) =>
    drawWaterfall(context, {
      width,
      height,
      rowHeight: ROW,
      top,
      bars: Array.from(points, (point) => bar(trace, point, range, width)),
      range,
      theme,
      colorOf: colorOf(trace, coloring, theme),
      labelOf: (point) => (trace.is(point, "unfinished") ? "unfinished" : duration(trace.finish(point) - trace.start(point))),
      isError: (point) => trace.is(point, "error"),
      isFaded: (point) => found !== null && found[point] === 0,
      criticalOf: (point) => stepsOf(critical, point),
    }),
  );
  return (
    <div class="bars" ref={ref} style={{ left: `${left}px`, width: `${width}px`, height: `${height}px` }} aria-hidden="true">
      <canvas ref={canvas} />
      <Cursor state={state} width={width} />
      <Ruler state={state} width={width} />
    </div>
  );
}

/** Scrolls to the selected point when it changes. */
function useReveal(state: TraceState, scroller: { current: HTMLDivElement | null }, rows: Uint32Array, scale: number, height: number): void {
  const selected = state.selected.value;
  useEffect(() => {
    const row = rowOf(rows, selected);
    const element = scroller.current;
    if (row < 0 || !element || height === 0) {
      return;
    }
    const top = element.scrollTop * scale;
    const y = row * ROW;
    if (y < top || y + ROW > top + height) {
      element.scrollTop = (y - height / 2) / scale;
    }
    // Not when the reader scrolls away from it.
  }, [selected, height > 0]);
}
