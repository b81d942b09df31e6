import { useMemo } from "preact/hooks";
import { pack } from "../layout/pack.ts";
import { NO_POINT } from "../model/trace.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { BoxView, LINE } from "./flame/BoxView.tsx";
import { usePointLook } from "./flame/Flame.tsx";
import { PointTip } from "./flame/PointTip.tsx";

/** What ran on each host when: above, the hosts' names; below each, its points. */
export function Hosts({ state }: { state: TraceState }) {
  const { trace } = state;
  const lines = useMemo(() => withHeadings(pack(trace, trace.hostOf, trace.hosts.length)), [trace]);
  return (
    <BoxView
      label={`Points on ${trace.hosts.length} hosts over time`}
      timeline={state}
      source={{
        items: lines.points,
        from: lines.from,
        start: (point) => trace.start(point),
        finish: (point) => trace.finish(point),
      }}
      look={usePointLook(state)}
      tip={(point) => <PointTip trace={trace} point={point} />}
      onClick={(point) => state.select(point ?? NO_POINT)}
      onDoubleClick={(point) => state.zoomTo(point)}
    >
      {(top) =>
        trace.hosts.map((host, at) => (
          <div key={host} class="band" style={{ top: `${lines.groups[at] * LINE - top}px`, height: `${LINE}px` }}>
            {oneLine(host)}
          </div>
        ))
      }
    </BoxView>
  );
}

/** An empty line before the lines of each group. */
function withHeadings({ points, from, groups }: ReturnType<typeof pack>): ReturnType<typeof pack> {
  const wider: number[] = [];
  for (let line = 0, group = 0; line < from.length - 1; line++) {
    for (; groups[group] === line && group < groups.length - 1; group++) {
      wider.push(from[line]);
    }
    wider.push(from[line]);
  }
  wider.push(points.length);
  return { points, from: Uint32Array.from(wider), groups: groups.map((line, group) => line + group) };
}
