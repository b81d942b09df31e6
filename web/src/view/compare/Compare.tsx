import { NO_POINT } from "../../model/trace.ts";
import { groups, verdictCounts } from "../../model/compare.ts";
import type { Comparison } from "../../model/compare.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { useMemo } from "preact/hooks";
import { oneLine } from "../../text/clean.ts";
import { instant } from "../../text/time.ts";
import { duration, plural } from "../../text/units.ts";
import { isLocalTime } from "../../state/app.ts";
import { Change, changeText, VERDICT_LABELS } from "./Change.tsx";
import { Choose } from "./Choose.tsx";
import { ComparedTree } from "./ComparedTree.tsx";

const MAX_GROUPS = 10;
const MAX_TEXT = 160;

/** What is different from another trace: first the sums, then where. */
export function Compare({ state }: { state: TraceState }) {
  const comparison = state.compared.comparison.value;
  if (!comparison) {
    return <Choose state={state} />;
  }
  return (
    <div class="compare" tabIndex={0} role="region" aria-label="Comparison">
      <Summary state={state} comparison={comparison} />
      <Groups state={state} comparison={comparison} />
      <ComparedTree state={state} comparison={comparison} />
    </div>
  );
}

function Summary({ state, comparison }: { state: TraceState; comparison: Comparison }) {
  const [before, after] = [comparison.before.header, comparison.after.header];
  const change = after.duration_us - before.duration_us;
  const counts = useMemo(() => verdictCounts(comparison), [comparison]);
  const told = (["slower", "faster", "new", "gone"] as const).filter((verdict) => counts[verdict] > 0);
  return (
    <section class="compare-summary">
      <h2>
        {change === 0 ? "As long as before" : `${duration(Math.abs(change))} ${change > 0 ? "longer" : "shorter"}`}:{" "}
        {duration(before.duration_us)} → {duration(after.duration_us)}
      </h2>
      <p>
        Compared with <span class="id">{oneLine(before.base_id ?? "")}</span> of {instant(before.started_us, isLocalTime.value)}.{" "}
        <button onClick={() => state.compared.forget()}>Compare with another</button>
      </p>
      <ul class="verdicts">
        {told.map((verdict) => (
          <li key={verdict} class={`verdict ${verdict}`}>
            {plural(counts[verdict], "point")} {VERDICT_LABELS[verdict]}
          </li>
        ))}
        <li class="verdict">{plural(counts.same, "point")} about the same</li>
      </ul>
    </section>
  );
}

/** What is done often, summed up. */
function Groups({ state, comparison }: { state: TraceState; comparison: Comparison }) {
  const all = useMemo(() => groups(comparison).filter(({ change }) => change !== 0), [comparison]);
  const most = Math.max(1, ...all.slice(0, MAX_GROUPS).map(({ change }) => Math.abs(change)));
  if (all.length === 0) {
    return <p class="nothing">Every point took as long by itself as before.</p>;
  }
  return (
    <table class="compare-groups">
      <caption>Where the time went: what took more or less time by itself</caption>
      <thead>
        <tr>
          <th scope="col">points</th>
          <th scope="col" class="number">number</th>
          <th scope="col" class="number">before</th>
          <th scope="col" class="number">now</th>
          <th scope="col">change</th>
        </tr>
      </thead>
      <tbody>
        {all.slice(0, MAX_GROUPS).map((group) => (
          <tr key={`${group.service} ${group.name} ${group.brief}`}>
            <td class="what">
              <button class="plain" title={oneLine(group.brief).slice(0, 1000)} onClick={() => goTo(state, comparison, group.node)}>
                <b>{oneLine(group.name)}</b> {oneLine(group.brief).slice(0, MAX_TEXT)}
              </button>
              <span class="note">{oneLine(group.service)}</span>
            </td>
            <td class="number">{changeText(group.before.points, group.after.points, String)}</td>
            <td class="number">{duration(group.before.self)}</td>
            <td class="number">{duration(group.after.self)}</td>
            <td>
              <Change us={group.change} most={most} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Unfolds what is above a node and brings it into view. */
function goTo(state: TraceState, comparison: Comparison, node: number): void {
  const { folded } = state.compared;
  const open = folded.value.value.slice();
  for (let above = comparison.parent[node]; above >= 0; above = comparison.parent[above]) {
    open[above] = 0;
  }
  folded.value.value = open;
  state.compared.isAll.value ||= !state.compared.rows.value.includes(node);
  state.compared.sought.value = node;
  if (comparison.pointAfter[node] !== NO_POINT) {
    state.select(comparison.pointAfter[node]);
  }
}
