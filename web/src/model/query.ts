// The language of the search: words, and conditions such as `service:nova duration>50ms -error:true`.

export class QueryError extends Error {}

export const OPERATORS = [">=", "<=", "!=", ":", "~", "=", ">", "<"] as const;
export type Operator = (typeof OPERATORS)[number];

/** All of its terms have to hold. */
export type Query = Term[];

export interface Term {
  /** Empty for a word that may stand anywhere. */
  field: string;
  operator: Operator;
  value: string;
  isNegated: boolean;
}

const TERM = /(-?)(?:([\p{L}_][\p{L}\p{N}_.-]*)(>=|<=|!=|[:~=<>]))?("(?:[^"\\]|\\.)*"?|\S+)/guy;

/** `null` if nothing is looked for. */
export function parseQuery(text: string): Query | null {
  const query: Query = [];
  const rest = text.trim();
  TERM.lastIndex = 0;
  while (TERM.lastIndex < rest.length) {
    const at = TERM.lastIndex;
    const match = TERM.exec(rest);
    if (!match) {
      throw new QueryError(`cannot read \`${rest.slice(at)}\`, expected a value`);
    }
    query.push(term(match[1] === "-", match[2] ?? "", (match[3] ?? "~") as Operator, unquoted(match[4])));
    TERM.lastIndex += /^\s*/.exec(rest.slice(TERM.lastIndex))?.[0].length ?? 0;
  }
  return query.length > 0 ? query : null;
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1).replace(/"$/, "").replace(/\\(["\\])/g, "$1") : value;
}

export const FIELDS = {
  name: "text",
  service: "text",
  project: "text",
  host: "text",
  id: "text",
  detail: "text",
  kind: "text",
  duration: "time",
  self: "time",
  start: "time",
  depth: "number",
  error: "text",
  unfinished: "flag",
  orphan: "flag",
  parallel: "flag",
} as const;

export type Field = keyof typeof FIELDS;

function term(isNegated: boolean, field: string, operator: Operator, value: string): Term {
  if (field !== "" && !field.startsWith("info.") && field !== "info" && !Object.hasOwn(FIELDS, field)) {
    throw new QueryError(`no field \`${field}\`; there are ${Object.keys(FIELDS).join(", ")} and info.…`);
  }
  const type = FIELDS[field as Field];
  if (type === "time") {
    parseTime(value);
  } else if (type === "number" && Number.isNaN(Number(value))) {
    throw new QueryError(`${field} is \`${value}\`, expected a number`);
  } else if (type === "flag" && !/^(true|false|yes|no)$/i.test(value)) {
    throw new QueryError(`${field} is \`${value}\`, expected true or false`);
  }
  const isOrdered = type === "time" || type === "number";
  if (/[<>]/.test(operator) && !isOrdered) {
    throw new QueryError(`${field || "a word"} cannot be compared by \`${operator}\``);
  }
  return operator === "!="
    ? { field, operator: "=", value, isNegated: !isNegated }
    : { field, operator, value, isNegated };
}

const UNITS: Record<string, number> = { us: 1, µs: 1, μs: 1, ms: 1_000, s: 1_000_000, m: 60_000_000, min: 60_000_000 };

/** Microseconds; without a unit, milliseconds. */
export function parseTime(text: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+)\s*([a-zµμ]*)$/.exec(text);
  const unit = match && (match[2] === "" ? 1_000 : UNITS[match[2]]);
  if (!match || !unit) {
    throw new QueryError(`\`${text}\` is no time, expected one like 50ms, 200us or 1.5s`);
  }
  return Number(match[1]) * unit;
}
