// Everything that a key does. The help sheet is made of this table.

import { length, moved } from "../layout/range.ts";
import { rowOf } from "../layout/rows.ts";
import { mode, setMode } from "../draw/theme.ts";
import { NO_POINT } from "../model/trace.ts";
import { VIEW_LABELS } from "../view/labels.ts";
import { isHelpOpen, isLocalTime } from "./app.ts";
import { COLORINGS, type TraceState, VIEWS } from "./trace-state.ts";

export interface Command {
  /** As `KeyboardEvent.key` says, with `Shift+` before keys that have no other sign for it. */
  keys: string[];
  label: string;
  group: "Points" | "Time" | "Search" | "Page";
  run(state: TraceState): void;
}

const ZOOM = 0.7;
const PAN = 0.15;

export const COMMANDS: Command[] = [
  { group: "Points", keys: ["ArrowDown", "j"], label: "next row", run: (state) => step(state, 1) },
  { group: "Points", keys: ["ArrowUp", "k"], label: "previous row", run: (state) => step(state, -1) },
  { group: "Points", keys: ["PageDown"], label: "20 rows down", run: (state) => step(state, 20) },
  { group: "Points", keys: ["PageUp"], label: "20 rows up", run: (state) => step(state, -20) },
  { group: "Points", keys: ["Home"], label: "first row", run: (state) => step(state, -Infinity) },
  { group: "Points", keys: ["End"], label: "last row", run: (state) => step(state, Infinity) },
  { group: "Points", keys: ["ArrowRight"], label: "unfold, or go to the first child", run: unfoldOrEnter },
  { group: "Points", keys: ["ArrowLeft"], label: "fold, or go to the parent", run: foldOrLeave },
  { group: "Points", keys: ["Shift+ArrowRight"], label: "unfold all below", run: (state) => ofSelected(state, (point) => state.foldSubtree(point, false)) },
  { group: "Points", keys: ["Shift+ArrowLeft"], label: "fold all below", run: (state) => ofSelected(state, (point) => state.foldSubtree(point, true)) },
  { group: "Points", keys: ["["], label: "show one level less", run: (state) => changeLevels(state, -1) },
  { group: "Points", keys: ["]"], label: "show one level more", run: (state) => changeLevels(state, 1) },
  { group: "Points", keys: ["e"], label: "next error", run: (state) => goToNext(state, (point) => state.trace.is(point, "error")) },
  { group: "Points", keys: ["p"], label: "next step of the critical path", run: nextCritical },
  { group: "Time", keys: ["+", "=", "w"], label: "zoom in", run: (state) => zoom(state, ZOOM) },
  { group: "Time", keys: ["-", "s"], label: "zoom out", run: (state) => zoom(state, 1 / ZOOM) },
  { group: "Time", keys: ["a", "Shift+ArrowUp"], label: "earlier", run: (state) => pan(state, -PAN) },
  { group: "Time", keys: ["d", "Shift+ArrowDown"], label: "later", run: (state) => pan(state, PAN) },
  { group: "Time", keys: ["f", "Enter"], label: "zoom to the point", run: (state) => ofSelected(state, (point) => state.zoomTo(point)) },
  { group: "Time", keys: ["0"], label: "the whole trace", run: (state) => state.setRange(state.all) },
  { group: "Time", keys: ["m"], label: "put the ruler on the point", run: measure },
  { group: "Search", keys: ["/"], label: "search", run: () => document.getElementById("search")?.focus() },
  { group: "Search", keys: ["n"], label: "next match", run: (state) => goToMatch(state, 1) },
  { group: "Search", keys: ["N"], label: "previous match", run: (state) => goToMatch(state, -1) },
  { group: "Search", keys: ["g"], label: "show matches only", run: ({ search }) => (search.isFilter.value = !search.isFilter.value) },
  ...VIEWS.map((view, at): Command => ({ group: "Page", keys: [String(at + 1)], label: VIEW_LABELS[view].toLowerCase(), run: (state) => (state.view.value = view) })),
  { group: "Page", keys: ["c"], label: "colour by something else", run: (state) => (state.coloring.value = following(COLORINGS, state.coloring.value)) },
  { group: "Page", keys: ["t"], label: "dark or light", run: () => setMode(following(["system", "light", "dark"] as const, mode.value)) },
  { group: "Page", keys: ["u"], label: "times in UTC or local", run: () => (isLocalTime.value = !isLocalTime.value) },
  { group: "Page", keys: ["?"], label: "this help", run: () => (isHelpOpen.value = !isHelpOpen.value) },
  { group: "Page", keys: ["Escape"], label: "close, let go", run: letGo },
];


/** Runs the command of a key; tells whether there is one. */
export function runKey(event: KeyboardEvent, state: TraceState): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return false;
  }
  const isNamed = event.key.length > 1;
  const key = event.shiftKey && isNamed ? `Shift+${event.key}` : event.key;
  const command = COMMANDS.find(({ keys }) => keys.includes(key));
  command?.run(state);
  return command !== undefined;
}

export function goToMatch(state: TraceState, direction: 1 | -1): void {
  const point = state.search.next(state.selected.value, direction);
  if (point !== NO_POINT) {
    state.select(point);
  }
}

export function goToNext(state: TraceState, isWanted: (point: number) => boolean): void {
  const { count } = state.trace;
  for (let tried = 1; tried <= count; tried++) {
    const point = (state.selected.value + tried + count) % count;
    if (isWanted(point)) {
      return state.select(point);
    }
  }
}

function ofSelected(state: TraceState, run: (point: number) => void): void {
  if (state.selected.value !== NO_POINT) {
    run(state.selected.value);
  }
}

function step(state: TraceState, by: number): void {
  const rows = state.rows.value;
  const row = rowOf(rows, state.selected.value);
  // From nowhere a step leads to the first row, whatever its length; but not a way to the end.
  const next = row < 0 && by !== Infinity ? 0 : Math.min(Math.max(row + by, 0), rows.length - 1);
  if (rows.length > 0) {
    state.select(rows[next]);
  }
}

function unfoldOrEnter(state: TraceState): void {
  ofSelected(state, (point) => {
    if (state.folded.value[point]) {
      state.toggle(point);
    } else if (state.trace.hasChildren(point)) {
      state.select(point + 1);
    }
  });
}

function foldOrLeave(state: TraceState): void {
  ofSelected(state, (point) => {
    if (state.trace.hasChildren(point) && !state.folded.value[point]) {
      state.toggle(point);
    } else if (state.trace.parent(point) !== NO_POINT) {
      state.select(state.trace.parent(point));
    }
  });
}

/** By the deepest level that shows now. */
function changeLevels(state: TraceState, by: number): void {
  const deepest = state.rows.value.reduce((most, point) => Math.max(most, state.trace.depth(point)), 0);
  state.showLevels(Math.max(deepest + 1 + by, 1));
}

function nextCritical(state: TraceState): void {
  const steps = state.critical.value.point.filter((point) => point !== NO_POINT);
  const now = steps.indexOf(state.selected.value);
  if (steps.length > 0) {
    state.select(steps[(now + 1) % steps.length]);
  }
}

function zoom(state: TraceState, factor: number): void {
  const { from, to } = state.range.value;
  state.zoom(factor, state.cursor.value ?? (from + to) / 2);
}

function pan(state: TraceState, part: number): void {
  const range = state.range.value;
  state.setRange(moved(range, length(range) * part, state.all));
}

function measure(state: TraceState): void {
  ofSelected(state, (point) => {
    state.ruler.value = { from: state.trace.start(point), to: state.trace.finish(point) };
  });
}

function letGo(state: TraceState): void {
  if (isHelpOpen.value) {
    isHelpOpen.value = false;
  } else if (state.ruler.value) {
    state.ruler.value = null;
  } else {
    state.select(NO_POINT);
  }
}

function following<T>(values: readonly T[], value: T): T {
  return values[(values.indexOf(value) + 1) % values.length];
}
