// The worker: unpacks a trace off the page's thread, and keeps what is packed.

import { criticalPath } from "../model/critical.ts";
import { derive } from "../model/derive.ts";
import { base64Bytes, type Bytes, plainBytes } from "./bytes.ts";
import { type Block, decode } from "./columns.ts";
import type { Answers, Request } from "./messages.ts";
import { search } from "./search.ts";
import { type Texts, textsOf, textsOfPoint } from "./records.ts";

interface Opened {
  bytes: Bytes;
  blocks: Block[];
  points: number;
  /** What the critical path is computed from; the page has the originals. */
  times: Parameters<typeof criticalPath>[0];
}

let opened: Opened | null = null;

function inTrace(): Opened {
  if (!opened) {
    throw new Error("no trace is open");
  }
  return opened;
}

async function open(trace: string | ArrayBuffer): Promise<Answers["open"]> {
  const bytes = typeof trace === "string" ? base64Bytes(trace) : plainBytes(trace);
  const { columns, blocks } = await decode(bytes);
  const derived = derive(columns);
  const times = {
    header: columns.header,
    parent: columns.parent.slice(),
    start: columns.start.slice(),
    finish: derived.finish.slice(),
    next: derived.next.slice(),
  };
  opened = { bytes, blocks, points: columns.header.points, times };
  return { columns, derived, hasRecords: blocks.length > 0 };
}

async function allRecords({ bytes, blocks }: Opened): Promise<Texts[]> {
  const all: Texts[] = [];
  for (const block of blocks) {
    for await (const [, texts] of textsOf(bytes, block)) {
      all.push(texts);
    }
  }
  return all;
}

async function answer(request: Request): Promise<Answers[Request["what"]]> {
  switch (request.what) {
    case "open":
      return open(request.trace);
    case "critical":
      return criticalPath(inTrace().times);
    case "records":
      return textsOfPoint(inTrace().bytes, inTrace().blocks, request.point);
    case "all-records":
      return allRecords(inTrace());
    case "search":
      return search(inTrace().bytes, inTrace().blocks, inTrace().points, request.query);
  }
}

/** The arrays are handed over rather than copied. */
function buffersOf(value: unknown): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    return [value.buffer as ArrayBuffer];
  }
  return value && typeof value === "object" && !Array.isArray(value) ? Object.values(value).flatMap(buffersOf) : [];
}

self.onmessage = async ({ data: { id, request } }: MessageEvent<{ id: number; request: Request }>) => {
  try {
    const value = await answer(request);
    self.postMessage({ id, value }, { transfer: buffersOf(value) });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
