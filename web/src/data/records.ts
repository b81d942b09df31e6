// The texts of the records, which are unpacked only when somebody wants to see or search them.

import { type Bytes, inflate } from "./bytes.ts";
import type { Block } from "./columns.ts";
import { Varints } from "./varints.ts";

/** The texts of a point's records, as they stand in their block: without ids and time. */
export interface Texts {
  start: string;
  stop: string;
}

/** What the short characters in a text stand for. */
export interface Known {
  baseId: string;
  traceId: string;
  parentId: string;
  /** Text of the start's time and of the stop's. */
  started: string;
  stopped: string;
}

/** The records of all points of a block, in turn. */
export async function* textsOf(bytes: Bytes, block: Block): AsyncGenerator<[number, Texts]> {
  const inflated = await inflate(bytes.read(block.from, block.to));
  const decoder = new TextDecoder();
  const sizes = new Varints(inflated);
  for (let point = block.firstPoint; point < block.endPoint; point++) {
    const [start, stop] = [sizes.next(), sizes.next()];
    const from = sizes.place;
    sizes.skip(start + stop);
    yield [
      point,
      {
        start: decoder.decode(inflated.subarray(from, from + start)),
        stop: decoder.decode(inflated.subarray(from + start, from + start + stop)),
      },
    ];
  }
}

export async function textsOfPoint(bytes: Bytes, blocks: Block[], point: number): Promise<Texts | null> {
  const block = blocks.find(({ endPoint }) => point < endPoint);
  if (!block) {
    return null;
  }
  for await (const [at, texts] of textsOf(bytes, block)) {
    if (at === point) {
      return texts;
    }
  }
  return null;
}

/** The records as they were before the ids and the time were taken out. */
export function restored(texts: Texts, known: Known): Texts {
  const restore = (text: string, time: string) =>
    text.replace(/[\u0001-\u0004]/g, (short) =>
      JSON.stringify(
        { "\u0001": known.baseId, "\u0002": known.traceId, "\u0003": known.parentId, "\u0004": time }[short],
      ),
    );
  return { start: restore(texts.start, known.started), stop: restore(texts.stop, known.stopped) };
}
