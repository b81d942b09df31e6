import { legend } from "../draw/coloring.ts";
import { theme } from "../draw/theme.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";

const MAX = 16;

/** What the colours mean; those of services stand beside the lanes. */
export function Legend({ state }: { state: TraceState }) {
  const coloring = state.coloring.value;
  if (coloring === "service") {
    return null;
  }
  const entries = legend(state.trace, coloring, theme.value);
  return (
    <ul class="legend" aria-label="Colours">
      {entries.slice(0, MAX).map(({ label, color, query }) => (
        <li key={label} style={{ "--swatch": color }}>
          <button class="plain" onClick={() => (state.search.text.value = query)}>
            {oneLine(label)}
          </button>
        </li>
      ))}
      {entries.length > MAX && <li>and {entries.length - MAX} more</li>}
    </ul>
  );
}
