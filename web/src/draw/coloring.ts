// Which colour a point has.

import type { Coloring } from "../state/trace-state.ts";
import { KIND_NAMES, type Point, type Trace } from "../model/trace.ts";
import type { Theme } from "./theme.ts";

export type ColorOf = (point: Point) => string;

/** Shares of self time in the trace, from which on a point is darker. */
const HEAT = [0, 0.001, 0.01, 0.05, 0.2];

export function colorOf(trace: Trace, coloring: Coloring, theme: Theme): ColorOf {
  const series = (index: number) => theme.series[index % theme.series.length];
  switch (coloring) {
    case "service":
      return (point) => series(trace.serviceOf[point]);
    case "host":
      return (point) => series(trace.hostOf[point]);
    case "kind":
      return (point) => series(trace.columns.kind[point]);
    case "self": {
      const heat = heatScale(theme);
      return (point) => heat[heatOf(trace, point)];
    }
    case "error":
      return (point) => (trace.is(point, "error") ? theme.error : theme.faint);
  }
}

/** Not red, which is for errors. */
export function heatScale(theme: Theme): string[] {
  return [10, 30, 50, 75, 100].map((part) => `color-mix(in oklab, ${theme.accent} ${part}%, ${theme.faint})`);
}

function heatOf(trace: Trace, point: Point): number {
  const share = trace.self(point) / Math.max(trace.header.duration_us, 1);
  return HEAT.findLastIndex((from) => share >= from);
}

export interface LegendEntry {
  label: string;
  color: string;
  /** A search that finds the points of this colour. */
  query: string;
}

export function legend(trace: Trace, coloring: Coloring, theme: Theme): LegendEntry[] {
  const series = (labels: string[], field: string) =>
    labels.map((label, index) => ({
      label,
      color: theme.series[index % theme.series.length],
      query: `${field}:${JSON.stringify(label)}`,
    }));
  switch (coloring) {
    case "service":
      return series(trace.services, "service");
    case "host":
      return series(trace.hosts, "host");
    case "kind": {
      const used = new Set(trace.columns.kind);
      return series(KIND_NAMES, "kind").filter((_, kind) => used.has(kind));
    }
    case "self":
      return heatScale(theme).map((color, at) => {
        const ms = (HEAT[at] * trace.header.duration_us) / 1000;
        return { label: at === 0 ? "less" : `≥ ${HEAT[at] * 100}%`, color, query: `self>=${Number(ms.toFixed(3))}ms` };
      });
    case "error":
      return [
        { label: "failed", color: theme.error, query: "error:true" },
        { label: "others", color: theme.faint, query: "error:false" },
      ];
  }
}
