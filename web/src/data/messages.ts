// What the page and its worker say to each other.

import type { CriticalPath } from "../model/critical.ts";
import type { Derived } from "../model/derive.ts";
import type { Columns } from "./columns.ts";
import type { Texts } from "./records.ts";

/** Something that a search looks for in the texts of the records. */
export interface TextQuery {
  /** A regular expression. */
  pattern: string;
  /** Where in the info: members from the outside in; empty for anywhere in the record. */
  path: string[];
}

export type Request =
  | { what: "open"; trace: string | ArrayBuffer }
  /** What the trace waited for; it takes a while, and nothing waits for it. */
  | { what: "critical" }
  | { what: "records"; point: number }
  /** All records, for an export. */
  | { what: "all-records" }
  | { what: "search"; query: TextQuery };

export interface Answers {
  open: { columns: Columns; derived: Derived; hasRecords: boolean };
  critical: CriticalPath;
  records: Texts | null;
  "all-records": Texts[];
  /** A byte for each point: 1 where it was found. */
  search: Uint8Array;
}

export type Answer<K extends Request["what"] = Request["what"]> =
  | { id: number; value: Answers[K] }
  | { id: number; error: string };
