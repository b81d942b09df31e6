import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { DIMENSIONS, type Dimension, type Group, groups } from "../model/stats.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { count, duration, plural, share } from "../text/units.ts";

const DIMENSION_LABELS: Record<Dimension, string> = {
  name: "Name",
  service: "Service",
  host: "Host",
  statement: "SQL statement",
  function: "Function",
};

type Column = Exclude<keyof Group, "query">;

const COLUMNS: { column: Column; label: string; title: string }[] = [
  { column: "count", label: "count", title: "number of points" },
  { column: "total", label: "total", title: "sum of the durations" },
  { column: "self", label: "by itself", title: "time that no child covers" },
  { column: "p50", label: "p50", title: "half of the points took no longer" },
  { column: "p95", label: "p95", title: "95 of 100 points took no longer" },
  { column: "p99", label: "p99", title: "99 of 100 points took no longer" },
  { column: "errors", label: "errors", title: "points that failed" },
];

/** Rows that are put on the page before somebody asks for more. */
const PAGE = 200;

export function Statistics({ state }: { state: TraceState }) {
  const { trace, search } = state;
  const dimension = state.dimension.value;
  const order = useSignal<{ column: Column; isDescending: boolean }>({ column: "self", isDescending: true });
  const limit = useSignal(PAGE);
  const only = search.isFilter.value ? search.found.value : null;
  const all = useMemo(() => groups(trace, dimension, only), [trace, dimension, only]);
  const { column, isDescending } = order.value;
  const sorted = useMemo(() => [...all].sort(by(column, isDescending)), [all, column, isDescending]);
  const sortBy = (next: Column) =>
    (order.value = { column: next, isDescending: next === column ? !isDescending : next !== "label" });
  return (
    <div class="with-options">
      <div class="options" role="group" aria-label="Sums by">
        {DIMENSIONS.map((one) => (
          <button key={one} aria-pressed={one === dimension} onClick={() => (state.dimension.value = one)}>
            {DIMENSION_LABELS[one]}
          </button>
        ))}
        <span class="note">
          {plural(all.length, "row")}
          {only && ", of the matches only"}. A click on a name searches for its points.
        </span>
      </div>
      <div class="table-scroller" tabIndex={0} role="region" aria-label="Statistics">
        <table class="stats">
          <thead>
            <tr>
              <Heading column="label" label={DIMENSION_LABELS[dimension].toLowerCase()} order={order.value} onClick={sortBy} />
              {COLUMNS.map((heading) => (
                <Heading key={heading.column} {...heading} order={order.value} onClick={sortBy} />
              ))}
              <th scope="col" title="of the trace's duration; parallel work may make more than 100%">
                share
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, limit.value).map((group) => (
              <Line key={group.query} state={state} group={group} />
            ))}
          </tbody>
        </table>
        {all.length === 0 && <p class="nothing">No point of this trace has one.</p>}
        {sorted.length > limit.value && (
          <p class="nothing">
            <button onClick={() => (limit.value *= 5)}>Show more of {count(sorted.length)}</button>
          </p>
        )}
      </div>
    </div>
  );
}

function by(column: Column, isDescending: boolean) {
  const sign = isDescending ? -1 : 1;
  return (a: Group, b: Group) => {
    const [left, right] = [a[column], b[column]];
    const order = typeof left === "string" ? left.localeCompare(String(right)) : left - Number(right);
    return sign * order || b.count - a.count;
  };
}

interface HeadingProps {
  column: Column;
  label: string;
  title?: string;
  order: { column: Column; isDescending: boolean };
  onClick(column: Column): void;
}

function Heading({ column, label, title, order, onClick }: HeadingProps) {
  const isSorted = order.column === column;
  return (
    <th scope="col" title={title} aria-sort={isSorted ? (order.isDescending ? "descending" : "ascending") : "none"}>
      <button class="plain" onClick={() => onClick(column)}>
        {isSorted && <span aria-hidden="true">{order.isDescending ? "↓ " : "↑ "}</span>}
        {label}
      </button>
    </th>
  );
}

function Line({ state, group }: { state: TraceState; group: Group }) {
  const whole = state.trace.header.duration_us;
  const part = Math.min(1, group.self / Math.max(whole, 1));
  const isActive = state.search.text.value === group.query;
  return (
    <tr class={isActive ? "active" : ""}>
      <td>
        <button class="plain" title={oneLine(group.label)} onClick={() => (state.search.text.value = isActive ? "" : group.query)}>
          {oneLine(group.label).slice(0, 400) || "(none)"}
        </button>
      </td>
      <td>{count(group.count)}</td>
      <td>{duration(group.total)}</td>
      <td>{duration(group.self)}</td>
      <td>{duration(group.p50)}</td>
      <td>{duration(group.p95)}</td>
      <td>{duration(group.p99)}</td>
      <td class={group.errors ? "bad" : "none"}>{count(group.errors)}</td>
      <td class="share" style={{ "--share": part }}>
        {share(group.self, whole)}
      </td>
    </tr>
  );
}
