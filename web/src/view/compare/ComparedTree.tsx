import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Comparison, lengthOf, verdict } from "../../model/compare.ts";
import { NO_POINT, type Point, type Trace } from "../../model/trace.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { oneLine } from "../../text/clean.ts";
import { duration } from "../../text/units.ts";
import { rowOf } from "../../layout/rows.ts";
import { useSize } from "../use-canvas.ts";
import { Change, VERDICT_LABELS } from "./Change.tsx";

const ROW = 24;
const INDENT = 14;
const MAX_INDENT = 16;
const MAX_TEXT = 200;
/** Browsers end elements that are much higher. */
const MAX_HEIGHT = 8_000_000;

/** Both trees as one. Only the rows in view exist. */
export function ComparedTree({ state, comparison }: { state: TraceState; comparison: Comparison }) {
  const { compared } = state;
  const rows = compared.rows.value;
  const scroller = useRef<HTMLDivElement>(null);
  const { height } = useSize(scroller);
  const scrolled = useSignal(0);
  const full = rows.length * ROW;
  const spacer = Math.min(full, MAX_HEIGHT);
  const scale = spacer > height ? (full - height) / (spacer - height) : 1;
  const top = scrolled.value * scale;
  const first = Math.max(0, Math.floor(top / ROW));
  const inView = rows.subarray(first, first + Math.ceil(height / ROW) + 1);
  const sought = compared.sought.value;
  useEffect(() => {
    const row = rowOf(rows, sought);
    if (scroller.current && row >= 0) {
      scroller.current.scrollIntoView({ block: "nearest" });
      scroller.current.scrollTop = (row * ROW - height / 2) / scale;
    }
  }, [sought]);
  return (
    <section class="compare-tree" aria-label="Where">
      <div class="compare-head">
        <h3>Where</h3>
        <label>
          <input type="checkbox" checked={compared.isAll.value} onChange={({ currentTarget }) => (compared.isAll.value = currentTarget.checked)} />
          also what has not changed
        </label>
        <span class="columns">
          <span class="number">before</span>
          <span class="number">now</span>
          <span>time by itself</span>
        </span>
      </div>
      <div class="compare-rows" ref={scroller} tabIndex={0} role="tree" aria-label="Points of both traces" onScroll={({ currentTarget }) => (scrolled.value = currentTarget.scrollTop)}>
        <div style={{ height: `${spacer}px` }} role="presentation">
          <div class="rows" style={{ height: `${Math.min(height, spacer)}px` }} role="presentation">
            {Array.from(inView, (node, at) => (
              <Row key={node} state={state} comparison={comparison} node={node} top={(first + at) * ROW - top} />
            ))}
          </div>
        </div>
        {rows.length === 0 && <p class="nothing">Nothing changed.</p>}
      </div>
    </section>
  );
}

interface RowProps {
  state: TraceState;
  comparison: Comparison;
  node: number;
  top: number;
}

function Row({ state, comparison, node, top }: RowProps) {
  const { before, after, pointBefore, pointAfter, depth, next, selfChange } = comparison;
  const [one, other] = [pointBefore[node], pointAfter[node]];
  const [trace, point] = other === NO_POINT ? [before, one] : [after, other];
  const result = verdict(comparison, node);
  const isFolded = state.compared.folded.value.value[node] === 1;
  const hasChildren = next[node] > node + 1;
  const isSelected = other !== NO_POINT ? state.selected.value === other : state.compared.sought.value === node;
  const most = Math.max(1, before.header.duration_us, after.header.duration_us) / 4;
  const select = () => {
    state.compared.sought.value = node;
    state.select(other);
  };
  return (
    <div
      class={`row compare-row ${result}${isSelected ? " selected" : ""}`}
      style={{ transform: `translateY(${top}px)` }}
      role="treeitem"
      aria-level={depth[node] + 1}
      aria-selected={isSelected}
      aria-expanded={hasChildren ? !isFolded : undefined}
      onClick={select}
    >
      <div class="cell" style={{ paddingLeft: `${Math.min(depth[node], MAX_INDENT) * INDENT + 12}px` }}>
        <span
          class={`fold${hasChildren ? "" : " leaf"}`}
          onClick={(event) => {
            event.stopPropagation();
            state.compared.toggle(node);
          }}
        >
          {hasChildren ? (isFolded ? "▸" : "▾") : ""}
        </span>
        <span class="name">{oneLine(trace.name(point))}</span>
        {result !== "same" && <span class={`verdict ${result}`}>{VERDICT_LABELS[result]}</span>}
        <span class="detail">{oneLine(trace.brief(point)).slice(0, MAX_TEXT)}</span>
        <span class="place">{oneLine(trace.service(point))}</span>
      </div>
      <span class="columns">
        <span class="number">{timeOf(before, one)}</span>
        <span class="number">{timeOf(after, other)}</span>
        <Change us={selfChange[node]} most={most} />
      </span>
    </div>
  );
}

function timeOf(trace: Trace, point: Point): string {
  if (point === NO_POINT) {
    return "–";
  }
  return trace.is(point, "unfinished") ? "unfinished" : duration(lengthOf(trace, point));
}
