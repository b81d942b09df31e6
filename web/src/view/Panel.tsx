import type { Signal } from "@preact/signals";
import { NO_POINT } from "../model/trace.ts";
import type { TraceState } from "../state/trace-state.ts";
import { Details } from "./details/Details.tsx";
import { Overview } from "./Overview.tsx";

/** Beside the views: the trace as a whole, or the point that is selected. */
export function Panel({ state, isOpen }: { state: TraceState; isOpen: Signal<boolean> }) {
  const point = state.selected.value;
  const close = () => (point === NO_POINT ? (isOpen.value = false) : state.select(NO_POINT));
  return (
    <aside class="panel" aria-label={point === NO_POINT ? "Overview" : "Details of the point"}>
      <button class="quiet close" aria-label="Close" title="Close (Esc)" onClick={close}>
        ✕
      </button>
      {point === NO_POINT ? <Overview state={state} /> : <Details key={point} state={state} point={point} />}
    </aside>
  );
}
