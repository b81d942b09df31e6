// Two traces beside each other: which points are the same, and where the time went.

import { NO_POINT, type Point, type Trace } from "./trace.ts";

/**
 * The trees of two traces as one. A node stands for a point of both traces, or for one that only one of
 * them has. Parents stand before their children; all arrays have a place for each node.
 */
export interface Comparison {
  readonly before: Trace;
  readonly after: Trace;
  readonly count: number;
  /** The point of each trace; `NO_POINT` in the one that does not have it. */
  readonly pointBefore: Int32Array;
  readonly pointAfter: Int32Array;
  /** Node above; -1 for a root. */
  readonly parent: Int32Array;
  readonly depth: Uint32Array;
  /** Where the first node stands that is not below it. */
  readonly next: Uint32Array;
  /** How much self time the point has more than before, in microseconds. */
  readonly selfChange: Float64Array;
  /** The same, summed up without its sign over the node and all below it: how much happened here. */
  readonly moved: Float64Array;
}

/** What is done often, as one: the points of one service, of one name, about the same. */
export interface Group {
  service: string;
  name: string;
  brief: string;
  before: Sum;
  after: Sum;
  /** Microseconds of self time more than before. */
  change: number;
  /** The node in which it shows most. */
  node: number;
}

export interface Sum {
  points: number;
  self: number;
}

export type Verdict = "slower" | "faster" | "same" | "new" | "gone";

/** A point is slower or faster from this part of its time on; less is noise. */
const PART = 0.1;
/** And from this part of the longer trace on. */
const PART_OF_TRACE = 0.001;

/**
 * Finds the points that two traces share: roots first, then what is below each pair. Among the children
 * of a pair, those belong together that are of the same service and name and about the same, the first with
 * the first, the second with the second; then, of what is left, those of the same service and name. So a
 * call that came in between moves nothing.
 */
export function compare(before: Trace, after: Trace): Comparison {
  const tree = mergedTree(before, after);
  const selfChange = Float64Array.from(
    { length: tree.count },
    (_, node) => selfOf(after, tree.pointAfter[node]) - selfOf(before, tree.pointBefore[node]),
  );
  const moved = selfChange.map(Math.abs);
  const next = Uint32Array.from(tree.parent, (_, node) => node + 1);
  for (let node = tree.count - 1; node >= 0; node--) {
    const above = tree.parent[node];
    if (above >= 0) {
      moved[above] += moved[node];
      next[above] = Math.max(next[above], next[node]);
    }
  }
  return { ...tree, before, after, selfChange, moved, next };
}

function selfOf(trace: Trace, point: Point): number {
  return point === NO_POINT ? 0 : trace.self(point);
}

type Pair = [before: Point, after: Point];

interface Tree {
  count: number;
  pointBefore: Int32Array;
  pointAfter: Int32Array;
  parent: Int32Array;
  depth: Uint32Array;
}

function mergedTree(before: Trace, after: Trace): Tree {
  const most = before.count + after.count;
  const pointBefore = new Int32Array(most);
  const pointAfter = new Int32Array(most);
  const parent = new Int32Array(most);
  const depth = new Uint32Array(most);
  const match = matcher(before, after);
  let count = 0;
  const open: { pair: Pair; above: number }[] = [];
  const enter = (pair: Pair, above: number) => {
    // The last to enter is the first to leave.
    for (const child of match(pair).reverse()) {
      open.push({ pair: child, above });
    }
  };
  enter([NO_POINT, NO_POINT], -1);
  for (let one = open.pop(); one; one = open.pop()) {
    const node = count++;
    [pointBefore[node], pointAfter[node]] = one.pair;
    parent[node] = one.above;
    depth[node] = one.above < 0 ? 0 : depth[one.above] + 1;
    enter(one.pair, node);
  }
  return {
    count,
    pointBefore: pointBefore.slice(0, count),
    pointAfter: pointAfter.slice(0, count),
    parent: parent.slice(0, count),
    depth: depth.slice(0, count),
  };
}

/** Gives the children of a pair of points, as pairs, in the order in which they begin. */
function matcher(before: Trace, after: Trace): (pair: Pair) => Pair[] {
  const briefs = [briefKeys(before), briefKeys(after)];
  const place = (trace: Trace, point: Point) => `${trace.service(point)}\0${trace.name(point)}`;
  const loose = [(point: Point) => place(before, point), (point: Point) => place(after, point)];
  const strict = [
    (point: Point) => `${place(before, point)}\0${briefs[0](point)}`,
    (point: Point) => `${place(after, point)}\0${briefs[1](point)}`,
  ];
  return ([parentBefore, parentAfter]) => {
    const isTop = parentBefore === NO_POINT && parentAfter === NO_POINT;
    // Two requests that are to be compared are the same request, whatever they are called.
    if (isTop && before.rootCount === 1 && after.rootCount === 1) {
      return [[0, 0]];
    }
    let left = parentBefore !== NO_POINT || isTop ? [...before.children(parentBefore)] : [];
    let right = parentAfter !== NO_POINT || isTop ? [...after.children(parentAfter)] : [];
    const pairs: Pair[] = [];
    for (const [leftKey, rightKey] of [strict, loose]) {
      [left, right] = pairUp(left, right, leftKey, rightKey, pairs);
    }
    left.forEach((point) => pairs.push([point, NO_POINT]));
    right.forEach((point) => pairs.push([NO_POINT, point]));
    const begin = ([one, other]: Pair) =>
      other === NO_POINT
        ? before.start(one) - startOf(before, parentBefore)
        : after.start(other) - startOf(after, parentAfter);
    return pairs.map((pair) => ({ pair, at: begin(pair) })).sort((a, b) => a.at - b.at).map(({ pair }) => pair);
  };
}

function startOf(trace: Trace, point: Point): number {
  return point === NO_POINT ? 0 : trace.start(point);
}

/** Pairs the first of a key with the first, the second with the second; gives what has no other. */
function pairUp(
  left: Point[],
  right: Point[],
  leftKey: (point: Point) => string,
  rightKey: (point: Point) => string,
  pairs: Pair[],
): [Point[], Point[]] {
  if (left.length === 0 || right.length === 0) {
    return [left, right];
  }
  const waiting = new Map<string, Point[]>();
  for (const point of left.toReversed()) {
    const key = leftKey(point);
    const known = waiting.get(key);
    known ? known.push(point) : waiting.set(key, [point]);
  }
  const rest = right.filter((point) => {
    const other = waiting.get(rightKey(point))?.pop();
    if (other !== undefined) {
      pairs.push([other, point]);
    }
    return other === undefined;
  });
  return [[...waiting.values()].flat().sort((a, b) => a - b), rest];
}

/** What a point was about, less what differs from call to call: numbers, ids, quoted text. */
function briefKeys(trace: Trace): (point: Point) => string {
  const known: (string | undefined)[] = [];
  return (point) => {
    const index = trace.columns.brief[point];
    return (known[index] ??= withoutValues(trace.text(index)));
  };
}

const VALUES = /'[^']*'|"[^"]*"|\b(?=[0-9a-f-]*\d)[0-9a-f]{2,}(?:-[0-9a-f]+)*\b|\d+/gi;

export function withoutValues(text: string): string {
  return text.replace(VALUES, "#");
}

export function verdict(comparison: Comparison, node: number): Verdict {
  const { before, after } = comparison;
  const [one, other] = [comparison.pointBefore[node], comparison.pointAfter[node]];
  if (one === NO_POINT || other === NO_POINT) {
    return one === NO_POINT ? "new" : "gone";
  }
  const [was, is] = [lengthOf(before, one), lengthOf(after, other)];
  const noise = PART_OF_TRACE * Math.max(before.header.duration_us, after.header.duration_us);
  if (Math.abs(is - was) <= Math.max(PART * was, noise)) {
    return "same";
  }
  return is > was ? "slower" : "faster";
}

/** From start to finish; to the end of the trace while unfinished. */
export function lengthOf(trace: Trace, point: Point): number {
  return trace.finish(point) - trace.start(point);
}

/** How many nodes there are of each verdict. */
export function verdictCounts(comparison: Comparison): Record<Verdict, number> {
  const counts = { slower: 0, faster: 0, same: 0, new: 0, gone: 0 };
  for (let node = 0; node < comparison.count; node++) {
    counts[verdict(comparison, node)]++;
  }
  return counts;
}

/** What is done often summed up, that which changed most first. Their changes add up to that of all self time. */
export function groups(comparison: Comparison): Group[] {
  const known = new Map<string, Group & { most: number }>();
  const { before, after, pointBefore, pointAfter, selfChange } = comparison;
  const briefs = [briefKeys(before), briefKeys(after)];
  const add = (node: number, trace: Trace, point: Point, brief: string, isAfter: boolean) => {
    const key = `${trace.service(point)}\0${trace.name(point)}\0${brief}`;
    let group = known.get(key);
    if (!group) {
      const none = () => ({ points: 0, self: 0 });
      const [service, name] = [trace.service(point), trace.name(point)];
      group = { service, name, brief: trace.brief(point), before: none(), after: none(), change: 0, node, most: -1 };
      known.set(key, group);
    }
    const sum = isAfter ? group.after : group.before;
    sum.points++;
    sum.self += trace.self(point);
    group.change += isAfter ? trace.self(point) : -trace.self(point);
    if (Math.abs(selfChange[node]) > group.most) {
      [group.most, group.node] = [Math.abs(selfChange[node]), node];
    }
  };
  for (let node = 0; node < comparison.count; node++) {
    const [one, other] = [pointBefore[node], pointAfter[node]];
    if (one !== NO_POINT) {
      add(node, before, one, briefs[0](one), false);
    }
    if (other !== NO_POINT) {
      add(node, after, other, briefs[1](other), true);
    }
  }
  return [...known.values()].sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
}
