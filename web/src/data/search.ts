// Searches the texts of all records, a block at a time.

import type { Bytes } from "./bytes.ts";
import type { Block } from "./columns.ts";
import type { TextQuery } from "./messages.ts";
import { textsOf } from "./records.ts";

export async function search(bytes: Bytes, blocks: Block[], points: number, query: TextQuery): Promise<Uint8Array> {
  const found = new Uint8Array(points);
  const matches = matcher(query);
  for (const block of blocks) {
    for await (const [point, texts] of textsOf(bytes, block)) {
      found[point] = matches(texts.start) || matches(texts.stop) ? 1 : 0;
    }
  }
  return found;
}

/** Tells whether the text of a record holds what is looked for. */
export function matcher({ pattern, path }: TextQuery): (record: string) => boolean {
  const expression = new RegExp(pattern, "iu");
  if (path.length === 0) {
    return (record) => expression.test(record);
  }
  const last = JSON.stringify(path[path.length - 1]);
  return (record) => {
    // Most records do not even have the key: they need not be taken apart.
    if (!record.includes(last)) {
      return false;
    }
    const value = member(infoOf(record), path);
    return value !== undefined && expression.test(typeof value === "string" ? value : JSON.stringify(value));
  };
}

/** The info of a record whose ids and time are left out. */
export function infoOf(record: string): unknown {
  try {
    return (JSON.parse(record.replace(/[\u0001-\u0004]/g, "0")) as { info?: unknown }).info;
  } catch {
    return undefined;
  }
}

function member(value: unknown, path: string[]): unknown {
  for (const key of path) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, key)) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
