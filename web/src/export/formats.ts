// The formats in which a page without a server saves its trace, as `osprofiler_report::export` writes them:
// docs/exports.md. The end-to-end tests hold both against each other.

import type { OpenTrace } from "../data/source.ts";
import { dot } from "./dot.ts";
import { folded } from "./folded.ts";
import { perfetto } from "./perfetto.ts";
import { records } from "./records.ts";
import { report } from "./report.ts";
import { speedscope } from "./speedscope.ts";
import { svg } from "./svg.ts";

export interface Export {
  /** As the program and its server call it. */
  name: string;
  label: string;
  purpose: string;
  extension: string;
  /** Pieces of text. */
  write(opened: OpenTrace): Iterable<string> | Promise<Iterable<string>>;
}

export const EXPORTS: Export[] = [
  { name: "json", label: "Report", purpose: "JSON, for programs", extension: "json", write: report },
  { name: "records", label: "Records", purpose: "JSON lines, for another back end", extension: "jsonl", write: records },
  { name: "svg", label: "Drawing", purpose: "SVG, for a ticket or a document", extension: "svg", write: ({ trace }) => svg(trace) },
  { name: "dot", label: "Graph", purpose: "DOT, for Graphviz", extension: "dot", write: ({ trace }) => dot(trace) },
  { name: "folded", label: "Folded stacks", purpose: "for flamegraph.pl and inferno", extension: "folded", write: ({ trace }) => folded(trace) },
  { name: "speedscope", label: "Speedscope", purpose: "for speedscope.app", extension: "speedscope.json", write: ({ trace }) => speedscope(trace) },
  { name: "perfetto", label: "Perfetto", purpose: "also for chrome://tracing", extension: "perfetto.json", write: ({ trace }) => perfetto(trace) },
];
