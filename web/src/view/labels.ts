// What things are called on the page.

import type { Coloring, View } from "../state/trace-state.ts";

export const VIEW_LABELS: Record<View, string> = {
  waterfall: "Waterfall",
  flame: "Flame graph",
  statistics: "Statistics",
  hosts: "Hosts",
  calls: "Calls",
  compare: "Compare",
};

export const COLORING_LABELS: Record<Coloring, string> = {
  service: "service",
  host: "host",
  kind: "kind",
  self: "time by itself",
  error: "error",
};

const KEY_LABELS: Record<string, string> = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowLeft: "←",
  ArrowRight: "→",
  PageDown: "Page ↓",
  PageUp: "Page ↑",
  Escape: "Esc",
  "-": "−",
};

export function keyLabel(key: string): string {
  const [last, ...before] = key === "+" ? ["+"] : key.split("+").reverse();
  return [...before, KEY_LABELS[last] ?? last].join(" ");
}
