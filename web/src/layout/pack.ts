// Puts points into lines so that none overlaps another: children below their parents, and what ran in
// parallel one below the other.

import { NO_POINT, type Trace } from "../model/trace.ts";

/** Points by line. In a line they come one after the other, in order of time. */
export interface Lines {
  /** Points, grouped by line. */
  points: Uint32Array;
  /** Where each line begins in `points`, and behind the last. */
  from: Uint32Array;
}

/**
 * Packs the points of each group into lines of their own, those of group 0 first. Without groups, all are one.
 * Gives, besides, the first line of each group, and behind the last.
 */
export function pack(trace: Trace, groupOf?: Uint32Array, groupCount = 1): Lines & { groups: Uint32Array } {
  const ends = Array.from({ length: groupCount }, () => new LineEnds());
  const lineOf = new Uint32Array(trace.count);
  const group = (point: number) => (groupOf ? groupOf[point] : 0);
  for (let point = 0; point < trace.count; point++) {
    const parent = trace.parent(point);
    const own = group(point);
    const least = parent !== NO_POINT && group(parent) === own ? lineOf[parent] + 1 : 0;
    lineOf[point] = ends[own].take(least, trace.start(point), trace.finish(point));
  }
  const groups = new Uint32Array(groupCount + 1);
  ends.forEach(({ count }, at) => (groups[at + 1] = groups[at] + count));
  return { ...byLine(lineOf.map((line, point) => line + groups[group(point)]), groups[groupCount]), groups };
}

function byLine(lineOf: Uint32Array, count: number): Lines {
  const from = new Uint32Array(count + 1);
  lineOf.forEach((line) => from[line + 1]++);
  for (let line = 0; line < count; line++) {
    from[line + 1] += from[line];
  }
  const filled = from.slice();
  const points = new Uint32Array(lineOf.length);
  lineOf.forEach((line, point) => (points[filled[line]++] = point));
  return { points, from };
}

/** When each line is free again; finds the first that is, by a tree of the least end below each place. */
class LineEnds {
  count = 0;
  private size = 1;
  private ends = new Float64Array([-Infinity, -Infinity]);

  /** The first line from `least` on that is free at `start`; it is taken until `end`. */
  take(least: number, start: number, end: number): number {
    while (least >= this.size) {
      this.grow();
    }
    let line = this.find(least, start);
    while (line < 0) {
      this.grow();
      line = this.find(least, start);
    }
    this.put(line, end);
    this.count = Math.max(this.count, line + 1);
    return line;
  }

  private find(least: number, start: number): number {
    const { ends, size } = this;
    let at = least + size;
    // Up to the first subtree to the right in which there is a free line, then down to it.
    while (ends[at] > start) {
      while (at % 2 === 1) {
        at >>= 1;
      }
      if (at === 0) {
        return -1;
      }
      at++;
    }
    while (at < size) {
      at *= 2;
      if (ends[at] > start) {
        at++;
      }
    }
    return at - size;
  }

  private put(line: number, end: number): void {
    const { ends } = this;
    let at = line + this.size;
    ends[at] = end;
    for (at >>= 1; at > 0; at >>= 1) {
      ends[at] = Math.min(ends[at * 2], ends[at * 2 + 1]);
    }
  }

  private grow(): void {
    const old = this.ends.subarray(this.size);
    this.size *= 2;
    this.ends = new Float64Array(this.size * 2).fill(-Infinity);
    this.ends.set(old, this.size);
    for (let at = this.size - 1; at > 0; at--) {
      this.ends[at] = Math.min(this.ends[at * 2], this.ends[at * 2 + 1]);
    }
  }
}
