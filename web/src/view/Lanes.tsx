import { useMemo, useRef } from "preact/hooks";
import { theme } from "../draw/theme.ts";
import { drawLanes } from "../draw/lanes.ts";
import { lanes } from "../layout/lanes.ts";
import { toPixel } from "../layout/range.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { duration } from "../text/units.ts";
import { useCanvas, useSize } from "./use-canvas.ts";
import { useBrush } from "./use-brush.ts";

const LANE = 13;
const MAX_LANES = 12;

/** What each service did when, over the whole trace; also the map on which the range in view is chosen. */
export function Lanes({ state }: { state: TraceState }) {
  const { trace } = state;
  const ref = useRef<HTMLDivElement>(null);
  const size = useSize(ref);
  const shown = Math.min(trace.services.length, MAX_LANES);
  const height = shown * LANE + 16;
  const cells = Math.max(Math.floor(size.width), 1);
  const rows = useMemo(() => lanes(trace, trace.serviceOf, trace.services.length, cells).slice(0, shown), [trace, cells, shown]);
  useBrush(ref, state);
  const range = state.range.value;
  const canvas = useCanvas({ width: size.width, height }, (context) =>
    drawLanes(context, {
      width: size.width,
      height,
      laneHeight: LANE,
      lanes: rows,
      theme: theme.value,
      all: state.all,
      critical: state.critical.value,
      laneOf: (point) => trace.serviceOf[point],
      matches: matchCells(state, cells),
    }),
  );
  const [left, right] = [toPixel(state.all, size.width, range.from), toPixel(state.all, size.width, range.to)];
  return (
    <section class="lanes" aria-label="Services over time">
      <ol class="lane-names" style={{ height: `${height}px` }}>
        {trace.services.slice(0, shown).map((service, at) => (
          <li key={service} style={{ height: `${LANE}px`, "--swatch": `var(--series-${at % 8})` }}>
            <span title={oneLine(service)}>{oneLine(service)}</span>
          </li>
        ))}
        {trace.services.length > shown && <li>and {trace.services.length - shown} more</li>}
      </ol>
      <div
        class="lane-map"
        ref={ref}
        style={{ height: `${height}px` }}
        role="img"
        aria-label={`In view: ${duration(range.from)} to ${duration(range.to)} of ${duration(trace.header.duration_us)}`}
      >
        <canvas ref={canvas} />
        <div class="shade" style={{ left: 0, width: `${Math.max(left, 0)}px` }} />
        <div class="shade" style={{ left: `${right}px`, right: 0 }} />
        <div class="window" style={{ left: `${left}px`, width: `${Math.max(right - left, 2)}px` }} />
        <MapCursor state={state} width={size.width} />
      </div>
    </section>
  );
}

function MapCursor({ state, width }: { state: TraceState; width: number }) {
  const at = state.cursor.value;
  return at === null ? null : <div class="map-cursor" style={{ left: `${toPixel(state.all, width, at)}px` }} />;
}

/** 1 for each cell in which something was found. */
function matchCells({ trace, search, all }: TraceState, cells: number): Uint8Array | null {
  const found = search.found.value;
  if (!found) {
    return null;
  }
  const marked = new Uint8Array(cells);
  found.forEach((isFound, point) => {
    if (isFound) {
      marked[Math.min(cells - 1, Math.max(0, Math.floor(toPixel(all, cells, trace.start(point)))))] = 1;
    }
  });
  return marked;
}

