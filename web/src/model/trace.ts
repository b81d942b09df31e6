import type { Columns, Header } from "../data/columns.ts";
import { type Known } from "../data/records.ts";
import { type Derived, FLAG } from "./derive.ts";
import { utcMicros } from "../text/time.ts";

/** A point, as its place in the columns. */
export type Point = number;

export const NO_POINT: Point = -1;

export const KIND = { none: 0, request: 1, statement: 2, function: 3, dropped: 4, other: 5, command: 6 } as const;
export const KIND_NAMES = ["no detail", "request", "SQL", "function", "dropped records", "other", "command"];

/** One trace. Nothing in it ever changes; what is shown of it is state elsewhere. */
export class Trace {
  readonly header: Header;
  readonly count: number;
  /** `project/service` of each service, in the order of their first points. */
  readonly services: string[];
  readonly hosts: string[];
  /** Indexes into `services` and `hosts`. */
  readonly serviceOf: Uint32Array;
  readonly hostOf: Uint32Array;
  private readonly decoded: (string | undefined)[] = [];
  private readonly decoder = new TextDecoder();

  constructor(
    readonly columns: Columns,
    readonly derived: Derived,
  ) {
    this.header = columns.header;
    this.count = columns.header.points;
    this.serviceOf = derived.serviceOf;
    this.hostOf = derived.hostOf;
    this.services = derived.services.map((texts) => this.place(texts));
    this.hosts = derived.hosts.map((texts) => this.place(texts));
  }

  private place(texts: number[]): string {
    const parts = texts.map((text) => this.text(text)).filter((text) => text !== "");
    return parts.join("/") || "(none)";
  }

  /** A text of the columns; it is decoded when it is first asked for. */
  text(index: number): string {
    const { texts, textFrom } = this.columns;
    return (this.decoded[index] ??= this.decoder.decode(texts.subarray(textFrom[index], textFrom[index + 1])));
  }

  get textCount(): number {
    return this.columns.textFrom.length - 1;
  }

  name(point: Point): string {
    return this.text(this.columns.name[point]);
  }

  detail(point: Point): string {
    return this.text(this.columns.detail[point]);
  }

  brief(point: Point): string {
    return this.text(this.columns.brief[point]);
  }

  error(point: Point): string {
    return this.text(this.columns.error[point]);
  }

  service(point: Point): string {
    return this.services[this.serviceOf[point]];
  }

  host(point: Point): string {
    return this.hosts[this.hostOf[point]];
  }

  /** Points that are alike have this in common: name, what it was about in brief, service. */
  likeness(point: Point): number {
    const { name, brief } = this.columns;
    return (name[point] * this.textCount + brief[point]) * this.services.length + this.serviceOf[point];
  }

  start(point: Point): number {
    return this.columns.start[point];
  }

  finish(point: Point): number {
    return this.derived.finish[point];
  }

  /** Microseconds; `null` unless both records are there. */
  duration(point: Point): number | null {
    const isWhole = !this.is(point, "unfinished") && !this.is(point, "startMissing");
    return isWhole ? this.columns.duration[point] : null;
  }

  self(point: Point): number {
    return this.derived.self[point];
  }

  parent(point: Point): Point {
    return this.columns.parent[point];
  }

  depth(point: Point): number {
    return this.derived.depth[point];
  }

  hasChildren(point: Point): boolean {
    return this.derived.next[point] > point + 1;
  }

  is(point: Point, flag: keyof typeof FLAG): boolean {
    return (this.columns.flags[point] & FLAG[flag]) !== 0;
  }

  /** The points directly below, earliest first; the roots below `NO_POINT`. */
  *children(point: Point): Generator<Point> {
    const end = point === NO_POINT ? this.count : this.derived.next[point];
    for (let child = point + 1; child < end; child = this.derived.next[child]) {
      yield child;
    }
  }

  get rootCount(): number {
    return this.columns.rootParent.length;
  }

  /** The points that enclose it, the outermost first. */
  ancestors(point: Point): Point[] {
    const above: Point[] = [];
    for (let at = this.parent(point); at >= 0; at = this.parent(at)) {
      above.push(at);
    }
    return above.reverse();
  }

  id(point: Point): string {
    const bytes = this.columns.ids.subarray(point * 16, point * 16 + 16);
    if (this.is(point, "textId")) {
      return this.text(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true));
    }
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
  }

  parentId(point: Point): string {
    const parent = this.parent(point);
    if (parent >= 0) {
      return this.id(parent);
    }
    let root = 0;
    for (const other of this.children(NO_POINT)) {
      if (other === point) {
        break;
      }
      root++;
    }
    return this.text(this.columns.rootParent[root]);
  }

  /** The point that has an id; `NO_POINT` if none has. */
  pointOf(id: string): Point {
    const digits = id.replaceAll("-", "");
    const wanted = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    const { ids } = this.columns;
    for (let point = 0; point < this.count; point++) {
      if (this.is(point, "textId")) {
        if (this.id(point) === id) {
          return point;
        }
      } else if (wanted.length === 16 && wanted.every((byte, at) => ids[point * 16 + at] === byte)) {
        return point;
      }
    }
    return NO_POINT;
  }

  /** What the texts of its records leave out. */
  known(point: Point): Known {
    const time = (us: number) => utcMicros(this.header.started_us + us);
    const start = this.start(point);
    return {
      baseId: this.header.base_id ?? "",
      traceId: this.id(point),
      parentId: this.parentId(point),
      started: time(start),
      stopped: time(start + (this.is(point, "startMissing") ? 0 : this.columns.duration[point])),
    };
  }
}
