// Reads the format of docs/columns.md.

import { type Bytes, inflate } from "./bytes.ts";
import { Varints } from "./varints.ts";

/** What the header says of a trace as a whole. Times are in microseconds. */
export interface Header {
  version: number;
  base_id: string | null;
  base_ids: number;
  started: string;
  started_us: number;
  duration_us: number;
  outside_us: number;
  records: number;
  unreadable: number;
  dropped: number;
  points_in_trace: number;
  points: number;
  columns: [name: string, size: number][];
  columns_size: number;
  ids_size: number;
  records_size: number;
}

/** The columns as arrays, a place for each point; parents stand before their children. */
export interface Columns {
  header: Header;
  /** Where the parent stands; -1 for a root. */
  parent: Int32Array;
  /** Microseconds from the beginning of the trace. */
  start: Float64Array;
  /** Microseconds; 0 while unfinished, and negative if the clock was set back. */
  duration: Float64Array;
  flags: Uint8Array;
  kind: Uint8Array;
  /** Indexes of texts; 0 is none. */
  name: Uint32Array;
  project: Uint32Array;
  service: Uint32Array;
  host: Uint32Array;
  detail: Uint32Array;
  brief: Uint32Array;
  error: Uint32Array;
  /** How many points below were left out. */
  leftOut: Uint32Array;
  /** 16 bytes for each point. */
  ids: Uint8Array;
  /** Texts of the parents that are no points here, for each root in turn. */
  rootParent: Uint32Array;
  texts: Uint8Array;
  /** Where each text begins, and behind the last. */
  textFrom: Uint32Array;
}

/** Where the records of some points lie, compressed together. */
export interface Block {
  firstPoint: number;
  /** Behind the last. */
  endPoint: number;
  from: number;
  to: number;
}

export interface Decoded {
  columns: Columns;
  blocks: Block[];
}

const MAGIC = "OSPCOLS1";
const PREFIX = MAGIC.length + 4;

export class FormatError extends Error {}

export async function decode(bytes: Bytes): Promise<Decoded> {
  const { header, from } = readHeader(bytes);
  const columnsEnd = from + header.columns_size;
  const inflated = await inflate(bytes.read(from, columnsEnd));
  const named = split(header, inflated);
  const idsEnd = columnsEnd + header.ids_size;
  const ids = bytes.read(columnsEnd, idsEnd).slice();
  return { columns: arrays(header, named, ids), blocks: blocks(named, idsEnd) };
}

function readHeader(bytes: Bytes): { header: Header; from: number } {
  if (bytes.size < PREFIX || latin1(bytes.read(0, MAGIC.length)) !== MAGIC) {
    throw new FormatError("this is no trace in columns");
  }
  const size = bytes.read(MAGIC.length, PREFIX);
  const headerSize = new DataView(size.buffer, size.byteOffset, 4).getUint32(0, true);
  const from = PREFIX + headerSize;
  const header = JSON.parse(new TextDecoder().decode(bytes.read(PREFIX, from))) as Header;
  if (header.version !== 1) {
    throw new FormatError(`the trace has format ${header.version}, this page reads format 1`);
  }
  return { header, from };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

type Named = (name: string) => Uint8Array;

function split(header: Header, inflated: Uint8Array): Named {
  const places = new Map<string, Uint8Array>();
  let at = 0;
  for (const [name, size] of header.columns) {
    places.set(name, inflated.subarray(at, at + size));
    at += size;
  }
  return (name) => {
    const column = places.get(name);
    if (!column) {
      throw new FormatError(`the trace has no column ${name}`);
    }
    return column;
  };
}

function arrays(header: Header, named: Named, ids: Uint8Array): Columns {
  const count = header.points;
  const numbers = <A extends Uint8Array | Uint32Array>(name: string, array: A): A => {
    const column = new Varints(named(name));
    for (let at = 0; at < array.length; at++) {
      array[at] = column.next();
    }
    return array;
  };
  const indexes = (name: string) => numbers(name, new Uint32Array(count));
  const { parent, roots } = parents(named("parent"), count);
  return {
    header,
    parent,
    start: sums(named("start"), count),
    duration: signed(named("duration"), count),
    flags: numbers("flags", new Uint8Array(count)),
    kind: numbers("kind", new Uint8Array(count)),
    name: indexes("name"),
    project: indexes("project"),
    service: indexes("service"),
    host: indexes("host"),
    detail: indexes("detail"),
    brief: indexes("brief"),
    error: indexes("error"),
    leftOut: indexes("left_out"),
    ids,
    rootParent: numbers("root_parent", new Uint32Array(roots)),
    texts: named("texts").slice(),
    textFrom: textPlaces(named("text_size")),
  };
}

// Plain loops from here on: with a function called for each of a million numbers, these took three times as long.

function parents(bytes: Uint8Array, count: number): { parent: Int32Array; roots: number } {
  const column = new Varints(bytes);
  const parent = new Int32Array(count);
  let roots = 0;
  for (let at = 0; at < count; at++) {
    const up = column.next();
    parent[at] = up === 0 ? -1 : at - up;
    roots += up === 0 ? 1 : 0;
  }
  return { parent, roots };
}

/** Numbers of which each is given as the difference from the one before. */
function sums(bytes: Uint8Array, count: number): Float64Array {
  const column = new Varints(bytes);
  const out = new Float64Array(count);
  let sum = 0;
  for (let at = 0; at < count; at++) {
    sum += column.nextSigned();
    out[at] = sum;
  }
  return out;
}

function signed(bytes: Uint8Array, count: number): Float64Array {
  const column = new Varints(bytes);
  const out = new Float64Array(count);
  for (let at = 0; at < count; at++) {
    out[at] = column.nextSigned();
  }
  return out;
}

/** Text 0 is none, hence empty. */
function textPlaces(sizes: Uint8Array): Uint32Array {
  const places = [0, 0];
  const column = new Varints(sizes);
  while (!column.isAtEnd) {
    places.push(places[places.length - 1] + column.next());
  }
  return Uint32Array.from(places);
}

function blocks(named: Named, from: number): Block[] {
  const points = new Varints(named("block_points"));
  const sizes = new Varints(named("block_size"));
  const out: Block[] = [];
  let firstPoint = 0;
  while (!points.isAtEnd) {
    const endPoint = firstPoint + points.next();
    const to = from + sizes.next();
    out.push({ firstPoint, endPoint, from, to });
    [firstPoint, from] = [endPoint, to];
  }
  return out;
}
