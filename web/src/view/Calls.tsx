import { useMemo } from "preact/hooks";
import { graphLayout, NODE } from "../layout/graph.ts";
import { type Call, callGraph } from "../model/calls.ts";
import { quoted } from "../model/stats.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { count, duration, plural } from "../text/units.ts";

/** Which service called which, how often and for how long. */
export function Calls({ state }: { state: TraceState }) {
  const { trace } = state;
  const graph = useMemo(() => callGraph(trace), [trace]);
  const layout = useMemo(() => graphLayout(trace.services.length, graph.calls), [graph]);
  const search = (service: string) => (state.search.text.value = `service:${quoted(service)}`);
  return (
    <div class="calls" tabIndex={0} role="region" aria-label="Calls between services">
      <svg width={layout.width} height={layout.height} viewBox={`0 0 ${layout.width} ${layout.height}`}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        {graph.calls.map((call, at) => (
          <path key={at} class={`call${call.errors ? " failed" : ""}`} d={layout.lines[at].path} stroke-width={thickness(call)} marker-end="url(#arrow)" />
        ))}
        {graph.calls.map((call, at) => (
          <text key={at} class="call-label" x={layout.lines[at].label.x} y={layout.lines[at].label.y}>
            <title>{`${trace.services[call.from]} called ${trace.services[call.to]} ${plural(call.count, "time")}`}</title>
            {count(call.count)} × · {duration(call.total)}
            {call.errors > 0 && ` · ${plural(call.errors, "error")}`}
          </text>
        ))}
        {trace.services.map((service, at) => (
          <g
            key={service}
            class="service"
            role="button"
            tabIndex={0}
            transform={`translate(${layout.places[at].x} ${layout.places[at].y})`}
            onClick={() => search(service)}
            onKeyDown={({ key }) => key === "Enter" && search(service)}
          >
            <title>{`${oneLine(service)}: search for its points`}</title>
            <rect width={NODE.width} height={NODE.height} rx="6" />
            <rect class="stripe" width="5" height={NODE.height} rx="2" style={{ fill: `var(--series-${at % 8})` }} />
            <text x="16" y="24" class="service-name">
              {shortened(oneLine(service))}
            </text>
            <text x="16" y="44" class="service-facts">
              {plural(graph.services[at].count, "point")} · {duration(graph.services[at].self)} by itself
              {graph.services[at].errors > 0 && ` · ${graph.services[at].errors} !`}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

function thickness({ count }: Call): number {
  return 1.2 + Math.min(5, Math.log2(count) * 0.7);
}

function shortened(service: string): string {
  return service.length > 26 ? `${service.slice(0, 25)}…` : service;
}
