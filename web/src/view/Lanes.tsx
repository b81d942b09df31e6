import { useMemo, useRef } from "preact/hooks";
import { drawLanes } from "../draw/lanes.ts";
import { criticalCells, lanes } from "../layout/lanes.ts";
import { toPixel } from "../layout/range.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { duration } from "../text/units.ts";
import { type Size, useCanvas, useSize } from "./use-canvas.ts";
import { useBrush } from "./use-brush.ts";

const LANE = 13;
const MAX_LANES = 12;
const MEANING = "solid: at work; pale: waiting for others; line below: everything waited for it; red: a point failed";
/** Below the lanes stand times and matches. */
const FOOT = 16;

/** What each service did when, over the whole trace; also the map on which the range in view is chosen. */
export function Lanes({ state }: { state: TraceState }) {
  const { services } = state.trace;
  const ref = useRef<HTMLDivElement>(null);
  const { width } = useSize(ref);
  const shown = Math.min(services.length, MAX_LANES);
  const height = shown * LANE + FOOT;
  useBrush(ref, state);
  return (
    <section class="lanes" aria-label="Services over time">
      <ol class="lane-names" title={MEANING} style={{ height: `${height}px` }}>
        {services.slice(0, shown).map((service, at) => (
          <li key={service} style={{ height: `${LANE}px`, "--swatch": `var(--series-${at % 8})` }}>
            <span title={oneLine(service)}>{oneLine(service)}</span>
          </li>
        ))}
        {services.length > shown && <li>and {services.length - shown} more</li>}
      </ol>
      <div class="lane-map" ref={ref} style={{ height: `${height}px` }}>
        <LaneChart state={state} size={{ width, height }} shown={shown} />
        <Window state={state} width={width} />
        <MapCursor state={state} width={width} />
      </div>
    </section>
  );
}

/** The drawing itself, which does not change with the range in view. */
function LaneChart({ state, size, shown }: { state: TraceState; size: Size; shown: number }) {
  const { trace } = state;
  const cells = Math.max(Math.floor(size.width), 1);
  const count = trace.services.length;
  const path = state.critical.value;
  const found = state.search.found.value;
  const all = useMemo(() => lanes(trace, trace.serviceOf, count, cells).slice(0, shown), [trace, cells, shown]);
  const critical = useMemo(() => criticalCells(trace, path, trace.serviceOf, count, cells), [trace, path, cells]);
  const matches = useMemo(() => found && matchCells(state, found, cells), [state, found, cells]);
  const canvas = useCanvas(size, (context, theme) =>
    drawLanes(context, { ...size, laneHeight: LANE, lanes: all, theme, all: state.all, critical, matches }),
  );
  return <canvas ref={canvas} />;
}

/** What of it is in view. */
function Window({ state, width }: { state: TraceState; width: number }) {
  const range = state.range.value;
  const [left, right] = [toPixel(state.all, width, range.from), toPixel(state.all, width, range.to)];
  const label = `In view: ${duration(range.from)} to ${duration(range.to)} of ${duration(state.trace.header.duration_us)}`;
  return (
    <div role="img" aria-label={label}>
      <div class="shade" style={{ left: 0, width: `${Math.max(left, 0)}px` }} />
      <div class="shade" style={{ left: `${right}px`, right: 0 }} />
      <div class="window" style={{ left: `${left}px`, width: `${Math.max(right - left, 2)}px` }} />
    </div>
  );
}

function MapCursor({ state, width }: { state: TraceState; width: number }) {
  const at = state.cursor.value;
  return at === null ? null : <div class="map-cursor" style={{ left: `${toPixel(state.all, width, at)}px` }} />;
}

/** 1 for each cell in which something was found. */
function matchCells({ trace, all }: TraceState, found: Uint8Array, cells: number): Uint8Array {
  const marked = new Uint8Array(cells);
  for (let point = 0; point < found.length; point++) {
    if (found[point]) {
      marked[Math.min(cells - 1, Math.max(0, Math.floor(toPixel(all, cells, trace.start(point)))))] = 1;
    }
  }
  return marked;
}
