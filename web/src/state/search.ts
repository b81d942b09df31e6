// What the reader looks for, and where it is.

import { computed, effect, signal } from "@preact/signals";
import type { OpenTrace } from "../data/source.ts";
import { type Query, QueryError, parseQuery } from "../model/query.ts";
import { evaluate } from "../model/evaluate.ts";
import { NO_POINT, type Point } from "../model/trace.ts";

export class Search {
  readonly text = signal("");
  /** Whether only what was found, and what is above it, has rows. */
  readonly isFilter = signal(false);
  /** A byte for each point; `null` while nothing is looked for. */
  readonly found = signal<Uint8Array | null>(null);
  readonly isBusy = signal(false);
  readonly error = signal("");
  readonly count = computed(() => this.found.value?.reduce((sum, one) => sum + one, 0) ?? 0);

  private running: Promise<void> = Promise.resolve();

  constructor(private readonly opened: OpenTrace) {
    effect(() => {
      this.running = this.run(this.text.value);
    });
  }

  /** Waits until what is looked for has been found. */
  settled(): Promise<void> {
    return this.running;
  }

  private async run(text: string): Promise<void> {
    this.error.value = "";
    let query: Query | null = null;
    try {
      query = parseQuery(text);
    } catch (error) {
      this.error.value = error instanceof QueryError ? error.message : String(error);
    }
    if (!query) {
      this.found.value = null;
      this.isBusy.value = false;
      return;
    }
    this.isBusy.value = true;
    const found = await evaluate(query, this.opened);
    // Meanwhile somebody may have typed on.
    if (this.text.peek() === text) {
      this.found.value = found;
      this.isBusy.value = false;
    }
  }

  /** The first point that was found behind (or before) another; around the end it goes on. */
  next(from: Point, step: 1 | -1): Point {
    const found = this.found.peek();
    const size = found?.length ?? 0;
    for (let tried = 1, at = from; tried <= size; tried++) {
      at = (at + step + size) % size;
      if (found?.[at]) {
        return at;
      }
    }
    return NO_POINT;
  }
}
