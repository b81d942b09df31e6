// What the page is showing as a whole: nothing yet, a trace, or the list of a server.

import { signal } from "@preact/signals";
import { embedded, openTrace, type OpenTrace } from "../data/source.ts";
import { readLink, watchLink } from "./permalink.ts";
import { TraceState } from "./trace-state.ts";

export type Screen =
  | { what: "reading" }
  | { what: "failed"; message: string }
  | { what: "list" }
  | { what: "trace"; state: TraceState };

export const screen = signal<Screen>({ what: "reading" });
export const isLocalTime = signal(false);
export const isHelpOpen = signal(false);
/** Whether the page was served by `osprofiler ui`, rather than opened as a file with its trace in it. */
export const hasServer = signal(false);

export function startApp(): void {
  const columns = embedded();
  hasServer.value = columns === null;
  if (columns === null) {
    screen.value = { what: "list" };
  } else {
    void show(openTrace(columns));
  }
}

/** Shows a trace as soon as it is there; what the link says of it is kept. */
export async function show(opening: Promise<OpenTrace>): Promise<void> {
  if (screen.value.what === "trace") {
    screen.value.state.opened.close();
  }
  screen.value = { what: "reading" };
  try {
    const state = new TraceState(await opening);
    readLink(state);
    watchLink(state);
    screen.value = { what: "trace", state };
  } catch (error) {
    screen.value = { what: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}
