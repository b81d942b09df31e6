import { type Signal, useSignal } from "@preact/signals";
import { notice } from "../state/app.ts";
import type { TraceState } from "../state/trace-state.ts";
import { NO_POINT } from "../model/trace.ts";
import { oneLine } from "../text/clean.ts";
import { Calls } from "./Calls.tsx";
import { Compare } from "./compare/Compare.tsx";
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

/** Pixels from which on the overview stands beside the view, rather than in its way. */
const WIDE = 860;

export function TracePage({ state }: { state: TraceState }) {
  const isPanelOpen = useSignal(window.innerWidth >= WIDE);
  return (
    <div class="trace-page">
      <Head state={state} />
      <Notice />
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

function Notice() {
  return notice.value === "" ? null : (
    <p class="notice" role="status">
      {oneLine(notice.value)}
    </p>
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
    case "compare":
      return <Compare state={state} />;
  }
}
