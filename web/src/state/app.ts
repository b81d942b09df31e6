// What the page is showing as a whole: nothing yet, a trace, or the list of a server.

import { signal } from "@preact/signals";
import { traceOfFile } from "../data/files.ts";
import { fetchTrace, type Fetched, watchTrace } from "../data/server.ts";
import { embedded, openTrace, type OpenTrace } from "../data/source.ts";
import { ListState, messageOf, NOTHING_WANTED } from "./list-state.ts";
import { linkParameters, readLink, watchLink } from "./permalink.ts";
import { TraceState } from "./trace-state.ts";
import { oneLine } from "../text/clean.ts";

export type Screen =
  | { what: "reading" }
  | { what: "failed"; message: string }
  | { what: "list"; state: ListState }
  | { what: "trace"; state: TraceState };

export const screen = signal<Screen>({ what: "reading" });
export const isLocalTime = signal(false);
export const isHelpOpen = signal(false);
/** Whether the page was served by `osprofiler ui`, rather than opened as a file with its trace in it. */
export const hasServer = signal(false);
/** What the reader should know of the trace that is shown: that a part is missing, or that it is not told live. */
export const notice = signal("");

/** Ends what goes on for what is shown, and for what is told of it. */
let endShown = () => {};
let endWatch = () => {};
/** Counts what was to be shown, so that what comes too late is not. */
let turn = 0;

export function startApp(): void {
  const columns = embedded();
  hasServer.value = columns === null;
  if (columns === null) {
    window.addEventListener("hashchange", route);
    route();
  } else {
    void show(openTrace(columns));
  }
}

/** Shows what the address says. */
function route(): void {
  const link = linkParameters();
  const id = link.get("trace");
  const now = screen.peek();
  if (id === null) {
    showList(link);
  } else if (now.what === "trace" && now.state.id === id && now.state.below === link.get("below")) {
    readLink(now.state);
  } else {
    void showRemote(id, link.get("below"));
  }
}

function showList(link: URLSearchParams): void {
  leave();
  document.title = "Traces";
  const wanted = Object.entries(NOTHING_WANTED).map(([key]) => [key, link.get(key) ?? ""]);
  const state = new ListState(Object.fromEntries(wanted));
  endShown = () => state.close();
  screen.value = { what: "list", state };
}

/** Shows a trace of the server, and what comes of it while it is shown. */
async function showRemote(id: string, below: string | null): Promise<void> {
  const isShown = await show(fetchTrace(id, below).then(opened), id, below);
  if (isShown && below === null) {
    endWatch = watchTrace(id, ({ records }) => void grow(id, records), (problem) => (notice.value = problem));
  }
}

/** Shows a trace that was in a file. */
export async function showFile(file: File): Promise<void> {
  history.pushState(null, "", "#file");
  await show(traceOfFile(file, hasServer.value).then(opened));
}

export function opened(trace: string | Fetched): Promise<OpenTrace> {
  if (typeof trace === "string") {
    return openTrace(trace);
  }
  notice.value = trace.incomplete && `This is not all of the trace: ${trace.incomplete}`;
  return openTrace(trace.columns);
}

/** Shows a trace as soon as it is there; what the link says of it is kept. Tells whether it is shown. */
async function show(opening: Promise<OpenTrace>, id: string | null = null, below: string | null = null): Promise<boolean> {
  leave();
  const mine = turn;
  screen.value = { what: "reading" };
  try {
    const state = new TraceState(await opening, id, below);
    if (mine === turn) {
      readLink(state);
      enter(state);
      return true;
    }
    state.opened.close();
  } catch (error) {
    if (mine === turn) {
      screen.value = { what: "failed", message: messageOf(error) };
    }
  }
  return false;
}

function enter(state: TraceState): void {
  endShown();
  const endLink = watchLink(state);
  endShown = () => {
    endLink();
    state.opened.close();
  };
  document.title = `Trace ${oneLine(state.trace.header.base_id ?? "")}`;
  screen.value = { what: "trace", state };
}

function leave(): void {
  turn++;
  endShown();
  endWatch();
  endShown = endWatch = () => {};
  notice.value = "";
}

let isGrowing = false;
/** How many records the trace has by now, as the server says. */
let latest = 0;

/** Shows a trace that has more records now, as it was shown before. */
async function grow(id: string, records: number): Promise<void> {
  latest = records;
  const mine = turn;
  const isBehind = () => mine === turn && screen.peek().what === "trace" && current().trace.header.records < latest;
  while (!isGrowing && isBehind()) {
    isGrowing = true;
    try {
      const next = new TraceState(await opened(await fetchTrace(id, null)), id, null);
      if (mine === turn) {
        next.continue(current());
        enter(next);
      } else {
        next.opened.close();
      }
    } catch (error) {
      notice.value = messageOf(error);
      return;
    } finally {
      isGrowing = false;
    }
  }
}

function current(): TraceState {
  return (screen.peek() as Extract<Screen, { what: "trace" }>).state;
}
