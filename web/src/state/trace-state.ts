// What is shown of one trace: everything that a reader changes by looking around.

import { batch, computed, signal } from "@preact/signals";
import type { OpenTrace } from "../data/source.ts";
import { whole } from "../layout/range.ts";
import { type Folded, foldedAtFirst, foldedBelow, foldSubtree, revealed, visibleRows } from "../layout/rows.ts";
import type { Dimension } from "../model/stats.ts";
import { type CriticalPath, NO_PATH } from "../model/critical.ts";
import { NO_POINT, type Point } from "../model/trace.ts";
import { Compared } from "./compared.ts";
import { Search } from "./search.ts";
import { Timeline } from "./timeline.ts";

export const VIEWS = ["waterfall", "flame", "statistics", "hosts", "calls", "compare"] as const;
export type View = (typeof VIEWS)[number];

export const COLORINGS = ["service", "host", "kind", "self", "error"] as const;
export type Coloring = (typeof COLORINGS)[number];

/** So many folded points stay folded when a trace has grown; each has to be looked for. */
const MAX_KEPT = 500;

export class TraceState extends Timeline {
  readonly trace;
  readonly view = signal<View>("waterfall");
  readonly selected = signal<Point>(NO_POINT);
  /** Whether the flame graph shows points that are alike as one. */
  readonly isMerged = signal(false);
  /** What the statistics are summed by. */
  readonly dimension = signal<Dimension>("name");
  readonly coloring = signal<Coloring>("service");
  readonly folded;
  readonly search;
  readonly rows;
  /** Empty until it is computed. */
  readonly critical = signal<CriticalPath>(NO_PATH);
  /** The trace it is compared with. */
  readonly compared;

  /** `id` is what the server knows it by, if it has it, and `below` the point whose subtree this is. */
  constructor(
    readonly opened: OpenTrace,
    readonly id: string | null = null,
    readonly below: string | null = null,
  ) {
    super(whole(opened.trace.header.duration_us));
    this.trace = opened.trace;
    this.folded = signal<Folded>(foldedAtFirst(this.trace));
    this.search = new Search(opened);
    this.rows = computed(() =>
      visibleRows(this.trace, this.folded.value, this.search.isFilter.value ? this.search.found.value : null),
    );
    void opened.critical().then((path) => (this.critical.value = path));
    this.compared = new Compared(this.trace);
  }

  /** Shows what another showed, of a trace that has grown since. */
  continue(before: TraceState): void {
    const here = (point: Point) => (point === NO_POINT ? NO_POINT : this.trace.pointOf(before.trace.id(point)));
    batch(() => {
      this.view.value = before.view.value;
      this.isMerged.value = before.isMerged.value;
      this.dimension.value = before.dimension.value;
      this.coloring.value = before.coloring.value;
      this.search.isFilter.value = before.search.isFilter.value;
      this.search.text.value = before.search.text.value;
      this.compared.baseline.value = before.compared.baseline.value;
      this.compared.wanted.value = before.compared.wanted.value;
      if (!before.isWhole) {
        this.setRange(before.range.value);
      }
      this.keepFolded(before, here);
      this.select(here(before.selected.value));
    });
  }

  private keepFolded(before: TraceState, here: (point: Point) => Point): void {
    const folded = [...before.folded.value.keys()].filter((point) => before.folded.value[point]);
    if (folded.length > MAX_KEPT) {
      return;
    }
    const kept = new Uint8Array(this.trace.count);
    folded.map(here).forEach((point) => point !== NO_POINT && (kept[point] = 1));
    this.folded.value = kept;
  }

  /** Selects a point and makes sure that it has a row. */
  select(point: Point): void {
    batch(() => {
      this.selected.value = point;
      if (point !== NO_POINT) {
        this.folded.value = revealed(this.trace, this.folded.value, point);
      }
    });
  }

  /** Brings a point into view, with some room around it. */
  zoomTo(point: Point): void {
    const [from, to] = [this.trace.start(point), this.trace.finish(point)];
    const room = Math.max((to - from) * 0.05, 1);
    this.setRange({ from: from - room, to: to + room });
  }

  toggle(point: Point): void {
    if (this.trace.hasChildren(point)) {
      const folded = this.folded.value.slice();
      folded[point] ^= 1;
      this.folded.value = folded;
    }
  }

  foldSubtree(point: Point, isFolded: boolean): void {
    this.folded.value = foldSubtree(this.trace, this.folded.value, point, isFolded);
  }

  showLevels(levels: number): void {
    this.folded.value = foldedBelow(this.trace, levels);
  }
}
