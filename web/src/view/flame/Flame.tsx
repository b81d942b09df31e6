import { useMemo } from "preact/hooks";
import { colorOf } from "../../draw/coloring.ts";
import { theme } from "../../draw/theme.ts";
import { merge } from "../../layout/merged.ts";
import { pack } from "../../layout/pack.ts";
import { whole } from "../../layout/range.ts";
import { NO_POINT } from "../../model/trace.ts";
import { Timeline } from "../../state/timeline.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { oneLine } from "../../text/clean.ts";
import { duration, plural, share } from "../../text/units.ts";
import { BoxView } from "./BoxView.tsx";
import { PointTip } from "./PointTip.tsx";

/** Points as boxes below their callers: by time, or those that are alike as one. */
export function Flame({ state }: { state: TraceState }) {
  const { isMerged } = state;
  return (
    <div class="with-options">
      <div class="options" role="group" aria-label="Order of the boxes">
        <button aria-pressed={!isMerged.value} onClick={() => (isMerged.value = false)}>
          By time
        </button>
        <button aria-pressed={isMerged.value} onClick={() => (isMerged.value = true)}>
          Merged
        </button>
        <span class="note">
          {isMerged.value
            ? "Points that are alike are one box, as wide as the work in and below it; parallel work adds up."
            : "A box below another was called by it, or ran beside it."}
        </span>
      </div>
      {isMerged.value ? <MergedFlame state={state} /> : <TimeFlame state={state} />}
    </div>
  );
}

function TimeFlame({ state }: { state: TraceState }) {
  const { trace } = state;
  const lines = useMemo(() => pack(trace), [trace]);
  const look = usePointLook(state);
  return (
    <BoxView
      label="Flame graph by time"
      timeline={state}
      source={{
        items: lines.points,
        from: lines.from,
        start: (point) => trace.start(point),
        finish: (point) => trace.finish(point),
      }}
      look={look}
      tip={(point) => <PointTip trace={trace} point={point} />}
      onClick={(point) => state.select(point ?? NO_POINT)}
      onDoubleClick={(point) => state.zoomTo(point)}
    />
  );
}

/** How points look as boxes. */
export function usePointLook(state: TraceState) {
  const { trace } = state;
  const found = state.search.found.value;
  const selected = state.selected.value;
  return {
    colorOf: colorOf(trace, state.coloring.value, theme.value),
    labelOf: (point: number) => oneLine(`${trace.name(point)} ${trace.brief(point)}`.slice(0, 300)),
    isError: (point: number) => trace.is(point, "error"),
    isFaded: (point: number) => found !== null && found[point] === 0,
    isSelected: (point: number) => point === selected,
  };
}

function MergedFlame({ state }: { state: TraceState }) {
  const { trace } = state;
  const merged = useMemo(() => merge(trace), [trace]);
  const timeline = useMemo(() => new Timeline(whole(merged.whole)), [merged]);
  const look = usePointLook(state);
  const ofPoint =
    <T,>(of: (point: number) => T) =>
    (box: number) =>
      of(merged.point[box]);
  return (
    <BoxView
      label="Flame graph, points that are alike merged"
      timeline={timeline}
      source={{
        items: merged.lines.boxes,
        from: merged.lines.from,
        start: (box) => merged.x[box],
        finish: (box) => merged.x[box] + merged.total[box],
      }}
      look={{
        colorOf: ofPoint(look.colorOf),
        labelOf: (box) => `${merged.points[box] > 1 ? `${merged.points[box]} × ` : ""}${look.labelOf(merged.point[box])}`,
        isError: () => false,
        isFaded: ofPoint(look.isFaded),
        isSelected: ofPoint(look.isSelected),
      }}
      tip={(box) => (
        <>
          <strong>{look.labelOf(merged.point[box]).slice(0, 200)}</strong>
          <br />
          {plural(merged.points[box], "point")} · work in and below {duration(merged.total[box])} (
          {share(merged.total[box], merged.whole)}) · by itself {duration(merged.self[box])}
        </>
      )}
      onClick={(box) => state.select(box === null ? NO_POINT : merged.point[box])}
      onDoubleClick={(box) => timeline.setRange({ from: merged.x[box], to: merged.x[box] + merged.total[box] })}
    />
  );
}
