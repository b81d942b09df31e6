// The list of traces: what it is filtered by, what came, what was chosen.

import { effect, signal } from "@preact/signals";
import { fetchList, type Filter, type Summary, watchList } from "../data/server.ts";
import { parseTime } from "../model/query.ts";
import { utcMicros } from "../text/time.ts";

/** Filters as the reader types them; all may be empty. */
export interface Wanted {
  project: string;
  service: string;
  name: string;
  /** Like `50ms`. */
  longer: string;
  /** A key of `SINCE`. */
  since: string;
  errors: string;
}

export const SINCE: Record<string, { label: string; minutes: number }> = {
  "15m": { label: "last 15 minutes", minutes: 15 },
  "1h": { label: "last hour", minutes: 60 },
  "1d": { label: "last day", minutes: 24 * 60 },
  "7d": { label: "last 7 days", minutes: 7 * 24 * 60 },
};

export const NOTHING_WANTED: Wanted = { project: "", service: "", name: "", longer: "", since: "", errors: "" };

/** The parameters of the API. Throws if `longer` is no time. */
export function filterOf(wanted: Wanted, nowMs: number): Filter {
  const filter: Filter = {};
  for (const key of ["project", "service", "name"] as const) {
    if (wanted[key] !== "") {
      filter[key] = wanted[key];
    }
  }
  if (wanted.errors !== "") {
    filter.errors = "true";
  }
  if (wanted.longer !== "") {
    filter.min_duration_us = String(Math.round(parseTime(wanted.longer)));
  }
  const since = Object.hasOwn(SINCE, wanted.since) ? SINCE[wanted.since] : null;
  if (since) {
    filter.since = utcMicros((nowMs - since.minutes * 60_000) * 1000);
  }
  return filter;
}

/** Adds what is new and replaces what has changed; the newest first, then by id. */
export function merged(traces: Summary[], news: Summary[]): Summary[] {
  const known = new Map(traces.map((trace) => [trace.base_id, trace]));
  news.forEach((trace) => known.set(trace.base_id, trace));
  return [...known.values()].sort(
    (a, b) => compareText(b.timestamp, a.timestamp) || compareText(a.base_id, b.base_id),
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export class ListState {
  readonly wanted = signal<Wanted>(NOTHING_WANTED);
  readonly traces = signal<Summary[]>([]);
  /** Where the next page begins; `null` on the last. */
  readonly next = signal<string | null>(null);
  readonly isBusy = signal(true);
  readonly problem = signal("");
  /** Ids of up to two traces that are to be compared. */
  readonly chosen = signal<string[]>([]);
  private filter: Filter = {};
  private endWatch = () => {};
  private readonly endEffect: () => void;

  constructor(wanted: Partial<Wanted>) {
    this.wanted.value = { ...NOTHING_WANTED, ...wanted };
    this.endEffect = effect(() => void this.begin(this.wanted.value));
  }

  close(): void {
    this.endEffect();
    this.endWatch();
  }

  /** Fetches the next page. */
  async more(): Promise<void> {
    await this.fetch(this.filter, this.next.peek());
  }

  choose(id: string): void {
    const chosen = this.chosen.peek();
    this.chosen.value = chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen.slice(-1), id];
  }

  private async begin(wanted: Wanted): Promise<void> {
    this.endWatch();
    this.traces.value = [];
    this.next.value = null;
    try {
      this.filter = filterOf(wanted, Date.now());
    } catch (error) {
      this.problem.value = messageOf(error);
      return;
    }
    const { filter } = this;
    await this.fetch(filter, null);
    if (this.filter === filter && this.problem.peek() === "") {
      this.endWatch = watchList(
        filter,
        (news) => (this.traces.value = merged(this.traces.peek(), news)),
        (problem) => (this.problem.value = problem),
      );
    }
  }

  private async fetch(filter: Filter, cursor: string | null): Promise<void> {
    this.isBusy.value = true;
    this.problem.value = "";
    try {
      const page = await fetchList(filter, cursor);
      // Meanwhile somebody may want something else.
      if (this.filter === filter) {
        this.traces.value = merged(this.traces.peek(), page.traces);
        this.next.value = page.next;
      }
    } catch (error) {
      this.problem.value = messageOf(error);
    }
    this.isBusy.value = false;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
