import { signal } from "@preact/signals";
import { type Range, within, zoomed } from "../layout/range.ts";

/** A stretch of time that is in view, out of all there is. */
export class Timeline {
  readonly range;
  /** An instant under the pointer; `null` where there is none. */
  readonly cursor = signal<number | null>(null);
  /** Two instants that somebody measures between. */
  readonly ruler = signal<Range | null>(null);

  constructor(readonly all: Range) {
    this.range = signal(all);
  }

  get isWhole(): boolean {
    const { from, to } = this.range.value;
    return from === this.all.from && to === this.all.to;
  }

  setRange(range: Range): void {
    this.range.value = within(range, this.all);
  }

  /** Zooms by a factor (below 1 is closer), so that `at` stays where it is. */
  zoom(factor: number, at: number): void {
    this.range.value = zoomed(this.range.value, factor, at, this.all);
  }
}
