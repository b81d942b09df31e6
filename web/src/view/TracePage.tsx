import { type Signal, useSignal } from "@preact/signals";
import type { TraceState } from "../state/trace-state.ts";
import { NO_POINT } from "../model/trace.ts";
import { Calls } from "./Calls.tsx";
import { Flame } from "./flame/Flame.tsx";
import { Head } from "./Head.tsx";
import { Hosts } from "./Hosts.tsx";
import { Lanes } from "./Lanes.tsx";
import { Legend } from "./Legend.tsx";
import { Panel } from "./Panel.tsx";
import { Statistics } from "./Statistics.tsx";
import { Toolbar } from "./Toolbar.tsx";
import { VIEW_LABELS } from "./labels.ts";
import { Waterfall } from "./waterfall/Waterfall.tsx";

export function TracePage({ state }: { state: TraceState }) {
  const isPanelOpen = useSignal(true);
  return (
    <div class="trace-page">
      <Head state={state} />
      <Lanes state={state} />
      <Toolbar state={state} isPanelOpen={isPanelOpen} />
      <Legend state={state} />
      <Stage state={state} isPanelOpen={isPanelOpen} />
    </div>
  );
}

/** The view, and beside it the panel. */
function Stage({ state, isPanelOpen }: { state: TraceState; isPanelOpen: Signal<boolean> }) {
  return (
    <div class="stage">
      <main>
        <div class="view" id="view" role="tabpanel" aria-label={VIEW_LABELS[state.view.value]}>
          <CurrentView state={state} />
        </div>
      </main>
      {(isPanelOpen.value || state.selected.value !== NO_POINT) && <Panel state={state} isOpen={isPanelOpen} />}
    </div>
  );
}

function CurrentView({ state }: { state: TraceState }) {
  switch (state.view.value) {
    case "waterfall":
      return <Waterfall state={state} />;
    case "flame":
      return <Flame state={state} />;
    case "statistics":
      return <Statistics state={state} />;
    case "hosts":
      return <Hosts state={state} />;
    case "calls":
      return <Calls state={state} />;
  }
}
