// A graph for Graphviz: a node for each point, an edge from parent to child.

import { NO_POINT, type Point, type Trace } from "../model/trace.ts";
import { oneLine } from "../text/clean.ts";
import { cut } from "./points.ts";

const MAX_LINE = 80;

export function* dot(trace: Trace): Generator<string> {
  yield 'digraph {\n  node [shape=box, fontname="sans-serif"]\n';
  const { base_id, duration_us } = trace.header;
  if (base_id !== null) {
    yield `  label=${quoted([`trace ${base_id} - ${millis(duration_us)}`])}\n  labelloc=t\n`;
  }
  for (let point = 0; point < trace.count; point++) {
    yield node(trace, point);
    const parent = trace.parent(point);
    if (parent !== NO_POINT) {
      yield `  p${parent} -> p${point}\n`;
    }
  }
  yield "}\n";
}

function node(trace: Trace, point: Point): string {
  const { service, brief } = trace.columns;
  const place = service[point] > 0 ? `${trace.text(service[point])}:` : "";
  const lines = [`${place}${trace.name(point)} - ${timeOf(trace, point)}`];
  if (brief[point] > 0) {
    lines.push(trace.brief(point));
  }
  if (trace.is(point, "error")) {
    lines.push(`error: ${briefError(trace.error(point))}`);
  }
  const isDashed = trace.is(point, "unfinished");
  const style = trace.is(point, "error") ? ", color=red, fontcolor=red" : isDashed ? ", style=dashed" : "";
  return `  p${point} [label=${quoted(lines)}${style}]\n`;
}

function timeOf(trace: Trace, point: Point): string {
  const us = trace.duration(point);
  return us !== null ? millis(us) : trace.is(point, "unfinished") ? "unfinished" : "start missing";
}

/** The type without its module. */
function briefError(error: string): string {
  const [, type, rest] = /^([^:]*)(.*)$/su.exec(error) as RegExpExecArray;
  return type.slice(type.lastIndexOf(".") + 1) + rest;
}

/** Lines of any text as one label. Graphviz reads HTML entities in labels. */
function quoted(lines: string[]): string {
  const line = (text: string) => cut(oneLine(text), MAX_LINE).replace(/["\\]/g, "\\$&").replaceAll("&", "&amp;");
  return `"${lines.map(line).join("\\n")}"`;
}

/** Milliseconds, to the microsecond. */
function millis(us: number): string {
  return `${us / 1000} ms`;
}
