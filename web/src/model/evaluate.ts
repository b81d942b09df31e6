// Finds the points for which a query holds. Texts are looked at once each, not once a point.

import type { TextQuery } from "../data/messages.ts";
import { type Field, FIELDS, type Operator, parseTime, type Query, type Term } from "./query.ts";
import { KIND_NAMES, type Trace } from "./trace.ts";

/** What a search needs of an open trace. */
export interface Searchable {
  readonly trace: Trace;
  search(query: TextQuery): Promise<Uint8Array>;
}

type Test = (point: number) => boolean;

/** A byte for each point: 1 where all terms hold. */
export async function evaluate(query: Query, opened: Searchable): Promise<Uint8Array> {
  const tests = await Promise.all(query.map((term) => testOf(term, opened)));
  return Uint8Array.from({ length: opened.trace.count }, (_, point) => (tests.every((test) => test(point)) ? 1 : 0));
}

async function testOf(term: Term, opened: Searchable): Promise<Test> {
  const test = await positive(term, opened);
  return term.isNegated ? (point) => !test(point) : test;
}

async function positive(term: Term, opened: Searchable): Promise<Test> {
  const { trace } = opened;
  if (term.field === "") {
    return anywhere(term, opened);
  }
  if (term.field === "info" || term.field.startsWith("info.")) {
    const found = await opened.search({ pattern: patternOf(term), path: term.field.split(".").slice(1) });
    return (point) => found[point] === 1;
  }
  const field = term.field as Field;
  switch (FIELDS[field]) {
    case "time":
      return compare(term.operator, parseTime(term.value), timeOf(trace, field));
    case "number":
      return compare(term.operator, Number(term.value), (point) => trace.depth(point));
    case "flag":
      return flag(trace, field, /^(true|yes)$/i.test(term.value));
    case "text":
      return textTest(trace, field, term);
  }
}

/** A word in the columns or in the records. */
async function anywhere(term: Term, opened: Searchable): Promise<Test> {
  const { trace } = opened;
  const inTexts = textMatches(trace, new RegExp(escaped(term.value), "iu"));
  const found = await opened.search({ pattern: escaped(jsonText(term.value)), path: [] });
  const { name, project, service, host, detail, error } = trace.columns;
  const columns = [name, project, service, host, detail, error];
  return (point) =>
    found[point] === 1 || columns.some((column) => inTexts[column[point]] === 1) || trace.id(point) === term.value;
}

function jsonText(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

function timeOf(trace: Trace, field: Field): (point: number) => number {
  switch (field) {
    case "duration":
      return (point) => trace.finish(point) - trace.start(point);
    case "self":
      return (point) => trace.self(point);
    default:
      return (point) => trace.start(point);
  }
}

function compare(operator: Operator, wanted: number, value: (point: number) => number): Test {
  switch (operator) {
    case ">":
      return (point) => value(point) > wanted;
    case ">=":
      return (point) => value(point) >= wanted;
    case "<":
      return (point) => value(point) < wanted;
    case "<=":
      return (point) => value(point) <= wanted;
    default:
      return (point) => value(point) === wanted;
  }
}

function flag(trace: Trace, field: Field, wanted: boolean): Test {
  if (field === "parallel") {
    return (point) => (trace.derived.isParallel[point] === 1) === wanted;
  }
  return (point) => trace.is(point, field as "unfinished" | "orphan") === wanted;
}

function textTest(trace: Trace, field: Field, term: Term): Test {
  const expression = new RegExp(patternOf(term), "iu");
  switch (field) {
    case "error":
      return errorTest(trace, term);
    case "id":
      return (point) => expression.test(trace.id(point));
    case "kind":
      return (point) => expression.test(KIND_NAMES[trace.columns.kind[point]]);
    case "service": {
      // `nova`, `api` and `nova/api` all name the service nova/api.
      const { project, service } = trace.columns;
      const inTexts = textMatches(trace, expression);
      const whole = trace.services.map((name) => expression.test(name));
      return (point) =>
        inTexts[project[point]] === 1 || inTexts[service[point]] === 1 || whole[trace.serviceOf[point]];
    }
    default: {
      const column = trace.columns[field as "name" | "project" | "host" | "detail"];
      const inTexts = textMatches(trace, expression);
      return (point) => inTexts[column[point]] === 1;
    }
  }
}

/** `error:true` and `error:false`, else what the error says. */
function errorTest(trace: Trace, term: Term): Test {
  if (/^(true|false|yes|no)$/i.test(term.value) && term.operator !== "~") {
    const wanted = /^(true|yes)$/i.test(term.value);
    return (point) => trace.is(point, "error") === wanted;
  }
  const inTexts = textMatches(trace, new RegExp(escaped(term.value), "iu"));
  return (point) => inTexts[trace.columns.error[point]] === 1;
}

/** `~` finds a part (a regular expression, if it is one), all else the whole, in which `*` stands for anything. */
function patternOf({ operator, value }: Term): string {
  if (operator !== "~") {
    return `^${value.split("*").map(escaped).join(".*")}$`;
  }
  try {
    new RegExp(value, "iu");
    return value;
  } catch {
    return escaped(value);
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** 1 for each text of the trace that matches. Text 0 is none, and never does. */
function textMatches(trace: Trace, expression: RegExp): Uint8Array {
  return Uint8Array.from({ length: trace.textCount }, (_, index) =>
    index > 0 && expression.test(trace.text(index)) ? 1 : 0,
  );
}
