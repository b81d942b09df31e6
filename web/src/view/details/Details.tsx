import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { Texts } from "../../data/records.ts";
import { stepsOf } from "../../model/critical.ts";
import { KIND, NO_POINT, type Point } from "../../model/trace.ts";
import { isLocalTime } from "../../state/app.ts";
import { linkOf } from "../../state/permalink.ts";
import type { TraceState } from "../../state/trace-state.ts";
import { oneLine } from "../../text/clean.ts";
import { curlOf } from "../../text/curl.ts";
import { jsonLines, memberText } from "../../text/json.ts";
import { instant } from "../../text/time.ts";
import { count, duration, share } from "../../text/units.ts";
import { CopyButton } from "./CopyButton.tsx";
import { JsonTree, LongText } from "./JsonTree.tsx";
import { Sql } from "./Sql.tsx";

/** Everything about one point. */
export function Details({ state, point }: { state: TraceState; point: Point }) {
  const { trace } = state;
  const texts = useRecords(state, point);
  return (
    <article class="details">
      <h2>
        {oneLine(trace.name(point))} <Flags state={state} point={point} />
      </h2>
      {trace.columns.kind[point] !== KIND.statement && <p class="detail-text">{oneLine(trace.detail(point))}</p>}
      {trace.is(point, "error") && <ErrorText texts={texts} brief={trace.error(point)} />}
      <Times state={state} point={point} />
      {texts && <Records state={state} point={point} texts={texts} />}
    </article>
  );
}

function useRecords(state: TraceState, point: Point): Texts | null {
  const texts = useSignal<Texts | null>(null);
  useEffect(() => {
    void state.opened.records(point).then((read) => (texts.value = read));
  }, [point]);
  return texts.value;
}

function Flags({ state: { trace }, point }: { state: TraceState; point: Point }) {
  const flags = [
    trace.is(point, "error") && "failed",
    trace.is(point, "unfinished") && "unfinished",
    trace.is(point, "startMissing") && "start missing",
    trace.is(point, "orphan") && "orphan: its parent is unknown",
    trace.is(point, "cycle") && "its own ancestor",
    (trace.duration(point) ?? 0) < 0 && "clock set back",
  ];
  return (
    <>
      {flags.filter(Boolean).map((flag) => (
        <span key={String(flag)} class={`mark ${flag === "failed" ? "bad" : "odd"}`}>
          {flag}
        </span>
      ))}
    </>
  );
}

function ErrorText({ texts, brief }: { texts: Texts | null; brief: string }) {
  const info = texts ? memberText(texts.stop, "info") : "";
  const text = (key: string) => jsonLines(memberText(info, key))[0]?.value ?? "";
  return (
    <div class="error-text">
      <strong>{oneLine(text("etype") || brief)}</strong>
      <LongText text={text("message")} />
    </div>
  );
}

function Times({ state, point }: { state: TraceState; point: Point }) {
  const { trace } = state;
  const long = trace.duration(point);
  const parent = trace.parent(point);
  const onCritical = [...stepsOf(state.critical.value, point)].reduce((sum, { from, to }) => sum + to - from, 0);
  const below = trace.derived.next[point] - point - 1;
  return (
    <dl class="facts">
      <Fact label="duration">{long === null ? "unknown" : duration(long)}</Fact>
      <Fact label="by itself">
        {duration(trace.self(point))} · {share(trace.self(point), trace.header.duration_us)} of the trace
      </Fact>
      {onCritical > 0 && <Fact label="critical path">{duration(onCritical)}</Fact>}
      <Fact label="started">
        +{duration(trace.start(point))} · {instant(trace.header.started_us + trace.start(point), isLocalTime.value)}
      </Fact>
      <Fact label="service">{oneLine(trace.service(point))}</Fact>
      <Fact label="host">{oneLine(trace.host(point))}</Fact>
      <Fact label="called by">
        {parent === NO_POINT ? (
          <span class="id">{oneLine(trace.parentId(point))}</span>
        ) : (
          <button class="plain link" onClick={() => state.select(parent)}>
            {oneLine(`${trace.name(parent)} ${trace.brief(parent)}`).slice(0, 120)}
          </button>
        )}
      </Fact>
      {below > 0 && <Fact label="points below">{count(below)}</Fact>}
      <Fact label="id">
        <span class="id">{oneLine(trace.id(point))}</span>
      </Fact>
    </dl>
  );
}

function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface RecordsProps {
  state: TraceState;
  point: Point;
  texts: Texts;
}

/** What the records say, told by what is known of their infos, and as they came. */
function Records({ state, point, texts }: RecordsProps) {
  const [start, stop] = useMemo(() => [texts.start, texts.stop].map((record) => memberText(record, "info")), [texts]);
  const statement = jsonLines(memberText(memberText(start, "db"), "statement"))[0]?.value;
  const curl = curlOf(start);
  const both = () => [texts.start, texts.stop].filter((text) => text !== "");
  return (
    <>
      <div class="actions">
        <CopyButton label="Copy link" text={() => location.href.replace(/#.*/, "") + linkOf(state, point)} />
        <CopyButton label="Copy as JSON" text={() => `[${both().join(",\n")}]`} />
        {curl && <CopyButton label="Copy as curl" text={() => curl} />}
        {statement && <CopyButton label="Copy SQL" text={() => statement} />}
      </div>
      {statement && (
        <>
          <h3>SQL</h3>
          <Sql statement={statement} />
        </>
      )}
      <Info title={curl ? "Request" : "Info at the start"} json={start} />
      <Info title={curl ? "Response" : "Info at the stop"} json={stop} />
      <details>
        <summary>Records as they came</summary>
        {both().map((record) => (
          <pre key={record} class="record">
            <LongText text={record} />
          </pre>
        ))}
      </details>
    </>
  );
}

function Info({ title, json }: { title: string; json: string }) {
  if (json === "") {
    return null;
  }
  return (
    <section>
      <h3>{title}</h3>
      <JsonTree json={json} />
    </section>
  );
}
