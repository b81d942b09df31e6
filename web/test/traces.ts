// Traces made by hand, for tests.

import type { Columns } from "../src/data/columns.ts";
import { derive } from "../src/model/derive.ts";
import { Trace } from "../src/model/trace.ts";

export interface Given {
  name: string;
  start: number;
  /** Left out while unfinished. */
  end: number | null;
  service: string;
  detail: string;
  error: string;
  depth: number;
}

/**
 * A trace from lines like `db 10-20 nova SELECT 1 !Broken`, indented by two blanks a level: name, start and
 * end in microseconds (`10-` is unfinished), service, detail, error.
 */
export function traceOf(text: string): Trace {
  const points = text.split("\n").filter((line) => line.trim() !== "").map(given);
  const least = Math.min(...points.map(({ depth }) => depth));
  const path: number[] = [];
  const texts = new Texts();
  const parent = Int32Array.from(points, ({ depth }, at) => {
    const level = depth - least;
    path[level] = at;
    return level === 0 ? -1 : path[level - 1];
  });
  const indexes = (of: (point: Given) => string) => Uint32Array.from(points, (point) => texts.index(of(point)));
  const duration_us = Math.max(...points.map(({ start, end }) => end ?? start));
  const columns: Columns = {
    header: {
      version: 1, base_id: "trace", base_ids: 1, started: "", started_us: 0, duration_us, outside_us: 0,
      records: 0, unreadable: 0, dropped: 0, points_in_trace: points.length, points: points.length,
      columns: [], columns_size: 0, ids_size: 0, records_size: 0,
    },
    parent,
    start: Float64Array.from(points, ({ start }) => start),
    duration: Float64Array.from(points, ({ start, end }) => (end ?? start) - start),
    flags: Uint8Array.from(points, ({ end, error }) => (error ? 1 : 0) | (end === null ? 2 : 0)),
    kind: new Uint8Array(points.length),
    name: indexes(({ name }) => name),
    project: new Uint32Array(points.length),
    service: indexes(({ service }) => service),
    host: new Uint32Array(points.length),
    detail: indexes(({ detail }) => detail),
    brief: indexes(({ detail }) => detail),
    error: indexes(({ error }) => error),
    leftOut: new Uint32Array(points.length),
    ids: new Uint8Array(points.length * 16).map((_, at) => (at % 16 === 15 ? Math.floor(at / 16) : 0)),
    rootParent: new Uint32Array(parent.filter((above) => above < 0).length),
    ...texts.columns(),
  };
  return new Trace(columns, derive(columns));
}

function given(line: string): Given {
  const match = /^( *)(\S+) (\d+)-(\d*)(?: (\S+))?(?: ([^!]*))?(?:!(.*))?$/.exec(line);
  if (!match) {
    throw new Error(`no point: ${line}`);
  }
  const [, indent, name, start, end, service = "s", detail = "", error = ""] = match;
  return {
    name,
    service,
    error,
    start: Number(start),
    end: end === "" ? null : Number(end),
    detail: detail.trim(),
    depth: indent.length / 2,
  };
}

class Texts {
  private readonly known: string[] = [];

  index(text: string): number {
    if (text === "") {
      return 0;
    }
    const at = this.known.indexOf(text);
    return at < 0 ? this.known.push(text) : at + 1;
  }

  columns() {
    const encoded = this.known.map((text) => new TextEncoder().encode(text));
    const textFrom = [0, 0];
    encoded.forEach(({ length }) => textFrom.push(textFrom[textFrom.length - 1] + length));
    return {
      texts: Uint8Array.from(encoded.flatMap((bytes) => [...bytes])),
      textFrom: Uint32Array.from(textFrom),
    };
  }
}
