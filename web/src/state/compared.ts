// The trace that another is compared with.

import { computed, effect, signal } from "@preact/signals";
import { traceOfFile } from "../data/files.ts";
import { fetchTrace, type Fetched } from "../data/server.ts";
import { openTrace } from "../data/source.ts";
import { compare, type Comparison } from "../model/compare.ts";
import type { Trace } from "../model/trace.ts";
import { changedRows, foldedUnchanged } from "../layout/compared-rows.ts";
import { messageOf } from "./list-state.ts";

export class Compared {
  /** Id of a trace of the server. */
  readonly wanted = signal<string | null>(null);
  readonly baseline = signal<Trace | null>(null);
  readonly problem = signal("");
  readonly isBusy = signal(false);
  readonly comparison = computed<Comparison | null>(() =>
    this.baseline.value ? compare(this.baseline.value, this.trace) : null,
  );
  /** A node to bring into view; -1 if none is. */
  readonly sought = signal(-1);
  /** Whether also what has not changed has rows. */
  readonly isAll = signal(false);
  /** Nodes that the reader folded or unfolded. */
  readonly folded = computed(() => signal(this.comparison.value ? foldedUnchanged(this.comparison.value) : new Uint8Array(0)));
  readonly rows = computed(() =>
    this.comparison.value ? changedRows(this.comparison.value, this.folded.value.value, this.isAll.value) : new Uint32Array(0),
  );

  constructor(private readonly trace: Trace) {
    effect(() => {
      const id = this.wanted.value;
      if (id !== null && id !== this.baseline.peek()?.header.base_id) {
        void this.take(fetchTrace(id, null));
      }
    });
  }

  /** Compares with a trace that is in a file. */
  takeFile(file: File, hasServer: boolean): Promise<void> {
    this.wanted.value = null;
    return this.take(traceOfFile(file, hasServer));
  }

  forget(): void {
    this.wanted.value = null;
    this.baseline.value = null;
  }

  toggle(node: number): void {
    const folded = this.folded.value.value.slice();
    folded[node] ^= 1;
    this.folded.value.value = folded;
  }

  private async take(trace: Promise<string | Fetched>): Promise<void> {
    this.isBusy.value = true;
    this.problem.value = "";
    try {
      const given = await trace;
      const opened = await openTrace(typeof given === "string" ? given : given.columns);
      // The arrays are here; its records are not needed.
      opened.close();
      this.baseline.value = opened.trace;
    } catch (error) {
      this.problem.value = messageOf(error);
    }
    this.isBusy.value = false;
  }
}
