// The part of the address behind `#` holds what is shown, so that a copied address shows it again.

import { effect } from "@preact/signals";
import { DIMENSIONS } from "../model/stats.ts";
import { NO_POINT } from "../model/trace.ts";
import { COLORINGS, type TraceState, VIEWS } from "./trace-state.ts";

/** Changes of the address are put together over so many milliseconds; browsers refuse too many. */
const DELAY = 250;

export function linkParameters(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}

export function readLink(state: TraceState): void {
  const link = linkParameters();
  const one = <T extends string>(key: string, values: readonly T[]) => values.find((value) => value === link.get(key));
  state.view.value = one("view", VIEWS) ?? state.view.value;
  state.coloring.value = one("color", COLORINGS) ?? state.coloring.value;
  state.dimension.value = one("by", DIMENSIONS) ?? state.dimension.value;
  state.isMerged.value = link.get("merged") === "1";
  state.search.text.value = link.get("q") ?? "";
  state.search.isFilter.value = link.get("filter") === "1";
  const [from, to] = (link.get("time") ?? "").split("-").map(Number.parseFloat);
  if (to > from) {
    state.setRange({ from, to });
  }
  state.compared.wanted.value = link.get("with");
  const point = link.get("point");
  state.select(point === null ? NO_POINT : state.trace.pointOf(point));
}

/** Keeps the address true; gives what ends that. */
export function watchLink(state: TraceState): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = effect(() => {
    const hash = linkOf(state);
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(null, "", hash), DELAY);
  });
  return () => {
    end();
    clearTimeout(timer);
  };
}

/** The address of what is shown, from `#` on. */
export function linkOf(state: TraceState, point = state.selected.value): string {
  const range = state.range.value;
  const link = linkParameters();
  const put = (key: string, value: string | false) => (value ? link.set(key, value) : link.delete(key));
  put("view", state.view.value !== "waterfall" && state.view.value);
  put("color", state.coloring.value !== "service" && state.coloring.value);
  put("by", state.dimension.value !== "name" && state.dimension.value);
  put("merged", state.isMerged.value && "1");
  put("q", state.search.text.value);
  put("filter", state.search.isFilter.value && "1");
  put("time", !state.isWhole && `${range.from.toFixed(1)}-${range.to.toFixed(1)}`);
  put("with", state.compared.wanted.value ?? false);
  put("point", point !== NO_POINT && state.trace.id(point));
  return `#${link}`;
}
