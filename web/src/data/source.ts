// Opens a trace in a worker, wherever it comes from.

import type { CriticalPath } from "../model/critical.ts";
import { Trace } from "../model/trace.ts";
import type { Answer, Answers, Request, TextQuery } from "./messages.ts";
import { restored, type Texts } from "./records.ts";
// The build puts the worker's program here, as text.
import program from "worker:program";

/** A trace, and what is read of it only on demand. */
export interface OpenTrace {
  readonly trace: Trace;
  critical(): Promise<CriticalPath>;
  /** The records of a point as they came; empty texts where there is none. */
  records(point: number): Promise<Texts>;
  allRecords(): Promise<Texts[]>;
  /** A byte for each point: 1 where the records hold what is looked for. */
  search(query: TextQuery): Promise<Uint8Array>;
  close(): void;
}

/** Asks the server for what the columns do not hold. */
export interface Remote {
  records(id: string): Promise<Texts>;
}

/** Opens columns: as bytes, or as text in base64. `remote` answers for records that are not in them. */
export async function openTrace(columns: string | ArrayBuffer, remote?: Remote): Promise<OpenTrace> {
  const ask = startWorker();
  const { columns: arrays, derived, hasRecords } = await ask({ what: "open", trace: columns });
  const trace = new Trace(arrays, derived);
  return {
    trace,
    critical: () => ask({ what: "critical" }),
    async records(point) {
      if (!hasRecords && remote) {
        return remote.records(trace.id(point));
      }
      const texts = await ask({ what: "records", point });
      return texts ? restored(texts, trace.known(point)) : { start: "", stop: "" };
    },
    async allRecords() {
      const all = await ask({ what: "all-records" });
      return all.map((texts, point) => restored(texts, trace.known(point)));
    },
    search: (query) => ask({ what: "search", query }),
    close: () => ask.end(),
  };
}

interface Ask {
  <K extends Request["what"]>(request: Extract<Request, { what: K }>): Promise<Answers[K]>;
  end(): void;
}

function startWorker(): Ask {
  const url = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const worker = new Worker(url);
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    waiting.get(data.id)?.(data);
    waiting.delete(data.id);
  };
  const ask = (request: Request) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, (answer) => ("error" in answer ? reject(new Error(answer.error)) : resolve(answer.value)));
      const isHandedOver = request.what === "open" && request.trace instanceof ArrayBuffer;
      worker.postMessage({ id, request }, isHandedOver ? [request.trace as ArrayBuffer] : []);
    });
  const end = () => {
    worker.terminate();
    URL.revokeObjectURL(url);
  };
  return Object.assign(ask, { end }) as Ask;
}

/** The trace that the page carries, in base64; `null` if it was served without one. */
export function embedded(): string | null {
  const element = document.getElementById("columns");
  const text = element?.textContent?.trim() ?? "";
  // Memory that the worker has from here on.
  element?.remove();
  return text === "" ? null : text;
}
