import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { NO_POINT } from "../model/trace.ts";
import { hasServer, isHelpOpen, isLocalTime } from "../state/app.ts";
import type { TraceState } from "../state/trace-state.ts";
import { oneLine } from "../text/clean.ts";
import { instant } from "../text/time.ts";
import { count, duration } from "../text/units.ts";
import { SaveMenu } from "./SaveMenu.tsx";
import { ThemeButton } from "./ThemeButton.tsx";

export function Head({ state }: { state: TraceState }) {
  const { trace } = state;
  const { header } = trace;
  const name = useMemo(() => (trace.count > 0 ? oneLine(title(state)) : "Empty trace"), [state]);
  return (
    <header class="head">
      <div class="title">
        <h1>{name}</h1>
        <p class="sub">
          {hasServer.value && <a href="#">← All traces</a>}
          {state.id !== null && state.below !== null && (
            <a href={`#${new URLSearchParams({ trace: state.id })}`}>{count(trace.count)} of its points; show all</a>
          )}
          <span class="id" title="Id of the trace">
            {oneLine(header.base_id ?? "no id")}
          </span>
          {trace.count > 0 && (
            <button class="plain" title="UTC or local time (u)" onClick={() => (isLocalTime.value = !isLocalTime.value)}>
              {instant(header.started_us, isLocalTime.value)}
            </button>
          )}
        </p>
      </div>
      <Figures state={state} />
      <div class="head-buttons">
        <SaveMenu state={state} />
        <ThemeButton />
        <button class="quiet" title="Help (?)" aria-label="Help" onClick={() => (isHelpOpen.value = true)}>
          ?
        </button>
      </div>
    </header>
  );
}

/** What the trace was about: the root that, with all that it caused, took longest. */
function title({ trace }: TraceState): string {
  let [longest, most] = [0, -1];
  for (const root of trace.children(NO_POINT)) {
    let finish = 0;
    for (let point = root; point < trace.derived.next[root]; point++) {
      finish = Math.max(finish, trace.finish(point));
    }
    if (finish - trace.start(root) > most) {
      [longest, most] = [root, finish - trace.start(root)];
    }
  }
  return `${trace.brief(longest) || trace.name(longest)} · ${trace.service(longest)}`;
}

function Figures({ state }: { state: TraceState }) {
  const { trace } = state;
  const { header } = trace;
  const { error, unfinished, orphan } = trace.derived.counts;
  const search = (query: string) => () => (state.search.text.value = query);
  return (
    <dl class="figures">
      <Figure label="duration">{duration(header.duration_us)}</Figure>
      <Figure label="points">{count(header.points_in_trace)}</Figure>
      <Figure label="services">{trace.services.length}</Figure>
      <Figure label="hosts">{trace.hosts.length}</Figure>
      <Figure label="errors" bad={error} onClick={search("error:true")}>
        {count(error)}
      </Figure>
      <Figure label="unfinished" odd={unfinished} onClick={search("unfinished:true")}>
        {count(unfinished)}
      </Figure>
      <Figure label="dropped" odd={header.dropped} title="records that the services say they dropped">
        {count(header.dropped)}
      </Figure>
      {orphan > 0 && (
        <Figure label="orphans" odd={orphan} title="points whose parent is unknown" onClick={search("orphan:true")}>
          {count(orphan)}
        </Figure>
      )}
      {header.unreadable > 0 && (
        <Figure label="unreadable" odd={header.unreadable} title="records that could not be read">
          {count(header.unreadable)}
        </Figure>
      )}
    </dl>
  );
}

interface FigureProps {
  label: string;
  children: ComponentChildren;
  bad?: number;
  odd?: number;
  title?: string;
  onClick?: () => void;
}

function Figure({ label, children, bad = 0, odd = 0, title, onClick }: FigureProps) {
  const isMarked = bad > 0 || odd > 0;
  const tone = bad > 0 ? "bad" : odd > 0 ? "odd" : "";
  return (
    <div title={title} class={tone}>
      <dt>{label}</dt>
      <dd>{isMarked && onClick ? <button class="plain" onClick={onClick}>{children}</button> : children}</dd>
    </div>
  );
}
