import { colorOf } from "../../draw/coloring.ts";
import { theme } from "../../draw/theme.ts";
import { NO_POINT, type Point, type Trace } from "../../model/trace.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { oneLine } from "../../text/clean.ts";
import { count, duration } from "../../text/units.ts";

const INDENT = 14;
/** Levels that are indented; beyond, a row says its level. */
const MAX_INDENT = 16;
/** Characters of a detail in a row; all of it is one click away. */
const MAX_DETAIL = 240;
const MAX_TITLE = 1000;

interface RowProps {
  state: TraceState;
  point: Point;
  top: number;
  left: number;
}

export function Row({ state, point, top, left }: RowProps) {
  const { trace } = state;
  const depth = trace.depth(point);
  const isSelected = state.selected.value === point;
  const isFound = state.search.found.value?.[point] === 1;
  const isFolded = state.folded.value[point] === 1;
  const hasChildren = trace.hasChildren(point);
  const classes = ["row", isSelected && "selected", isFound && "found", trace.is(point, "error") && "failed"];
  return (
    <div
      id={`row-${point}`}
      class={classes.filter(Boolean).join(" ")}
      style={{ transform: `translateY(${top}px)` }}
      role="treeitem"
      aria-level={depth + 1}
      aria-selected={isSelected}
      aria-expanded={hasChildren ? !isFolded : undefined}
      onClick={() => state.select(point)}
    >
      <div class="cell" style={{ width: `${left}px`, paddingLeft: `${Math.min(depth, MAX_INDENT) * INDENT + 4}px` }}>
        <span
          class={`fold${hasChildren ? "" : " leaf"}`}
          aria-hidden="true"
          onClick={(event) => {
            event.stopPropagation();
            if (event.shiftKey) {
              state.foldSubtree(point, !isFolded);
            } else {
              state.toggle(point);
            }
          }}
        >
          {hasChildren ? (isFolded ? "▸" : "▾") : ""}
        </span>
        <i class="swatch" style={{ background: colorOf(trace, state.coloring.value, theme.value)(point) }} />
        {depth > MAX_INDENT && <span class="level">{count(depth)}</span>}
        {trace.derived.isParallel[point] === 1 && (
          <span class="parallel" title="runs at the same time as another of its parent's children">
            ∥
          </span>
        )}
        <span class="name">{oneLine(trace.name(point))}</span>
        <span class="detail" title={oneLine(trace.detail(point).slice(0, MAX_TITLE))}>
          {oneLine(trace.brief(point)).slice(0, MAX_DETAIL)}
        </span>
        <Marks state={state} point={point} />
        {isFolded && hasChildren && <span class="hidden-count">+{count(trace.derived.next[point] - point - 1)}</span>}
        <span class="place">{place(trace, point)}</span>
        <span class="unseen">{length(trace, point)}</span>
      </div>
    </div>
  );
}

function Marks({ state, point }: { state: TraceState; point: Point }) {
  const { trace, id } = state;
  const left = trace.columns.leftOut[point];
  return (
    <>
      {trace.is(point, "error") && (
        <span class="mark bad" title={oneLine(trace.error(point))}>
          ! {shortError(trace.error(point))}
        </span>
      )}
      {trace.is(point, "unfinished") && <span class="mark odd">unfinished</span>}
      {trace.is(point, "startMissing") && <span class="mark odd">start missing</span>}
      {trace.is(point, "orphan") && <span class="mark odd">orphan</span>}
      {trace.is(point, "cycle") && <span class="mark odd">its own ancestor</span>}
      {left > 0 && id === null && <span class="mark">{count(left)} more below</span>}
      {left > 0 && id !== null && (
        <a class="mark" href={`#${new URLSearchParams({ trace: id, below: trace.id(point) })}`}>
          {count(left)} more below
        </a>
      )}
    </>
  );
}

/** The type without its module. */
function shortError(error: string): string {
  return oneLine(error.replace(/^[\w.:]*[.:](?=\w)/, "")).slice(0, 80);
}

/** Where it ran, if that differs from its parent. */
function place(trace: Trace, point: Point): string {
  const parent = trace.parent(point);
  const isNewService = parent === NO_POINT || trace.serviceOf[parent] !== trace.serviceOf[point];
  const isNewHost = parent === NO_POINT || trace.hostOf[parent] !== trace.hostOf[point];
  return oneLine([isNewService && trace.service(point), isNewHost && `on ${trace.host(point)}`].filter(Boolean).join(" "));
}

/** Bars are only for those who see them. */
function length(trace: Trace, point: Point): string {
  return trace.is(point, "unfinished") ? "" : duration(trace.finish(point) - trace.start(point));
}
