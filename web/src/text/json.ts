// JSON as lines of a tree, without ever recursing and without objects in which a key could mean something:
// `__proto__` is a key like any other, and numbers stay as they were written.

export interface JsonLine {
  depth: number;
  key: string;
  /** Of a plain value: what it says, and how it is written if it is no string. */
  value: string;
  type: "string" | "number" | "word" | "object" | "array";
  /** Of an object or array: how many lines stand below it. */
  below: number;
}

/** A piece of a JSON text. Strings may have millions of characters, which is too much for a regular expression. */
interface Token {
  type: "mark" | "string" | "word";
  from: number;
  /** Behind it. */
  to: number;
}

const MARKS = "{}[],:";

function* tokens(text: string, from = 0): Generator<Token> {
  for (let at = from; at < text.length; ) {
    const character = text[at];
    if (" \t\n\r".includes(character)) {
      at++;
      continue;
    }
    const type = character === '"' ? "string" : MARKS.includes(character) ? "mark" : "word";
    const to = type === "string" ? stringEnd(text, at) : type === "mark" ? at + 1 : wordEnd(text, at);
    yield { type, from: at, to };
    at = to;
  }
}

/** Behind the quote that ends the string; the end of the text if none does. */
function stringEnd(text: string, from: number): number {
  for (let quote = text.indexOf('"', from + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") {
      slashes++;
    }
    if (slashes % 2 === 0) {
      return quote + 1;
    }
  }
  return text.length;
}

function wordEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && !/[\s{}[\],:"]/.test(text[at])) {
    at++;
  }
  return at;
}

/** Values deeper than this are given as they are written. */
const MAX_DEPTH = 64;

/** The lines of a JSON text, each member after what holds it; for text that is no JSON, what can be read. */
export function jsonLines(text: string): JsonLine[] {
  const lines: JsonLine[] = [];
  const open: { line: number; isArray: boolean; count: number }[] = [];
  let key: string | null = null;
  const add = (value: string, type: JsonLine["type"]) => {
    const holder = open[open.length - 1];
    const name = holder ? (holder.isArray ? String(holder.count++) : (key ?? "")) : "";
    key = null;
    lines.push({ depth: open.length, key: name, value, type, below: 0 });
  };
  for (const { type, from, to } of tokens(text)) {
    const mark = type === "mark" ? text[from] : "";
    const inside = type === "string" ? text.slice(from + 1, to - 1) : text.slice(from, to);
    const holder = open[open.length - 1];
    if (type === "string") {
      if (holder && !holder.isArray && key === null) {
        key = unescaped(inside);
      } else {
        add(unescaped(inside), "string");
      }
    } else if (type === "word") {
      add(inside, /^-?\d/.test(inside) ? "number" : "word");
    } else if (mark === "{" || mark === "[") {
      if (open.length >= MAX_DEPTH) {
        add("…", "word");
        break;
      }
      add("", mark === "[" ? "array" : "object");
      open.push({ line: lines.length - 1, isArray: mark === "[", count: 0 });
    } else if ((mark === "}" || mark === "]") && holder) {
      lines[holder.line].below = lines.length - 1 - holder.line;
      open.pop();
    }
  }
  open.forEach(({ line }) => (lines[line].below = lines.length - 1 - line));
  return lines;
}

function unescaped(inside: string): string {
  if (!inside.includes("\\")) {
    return inside;
  }
  try {
    return JSON.parse(`"${inside}"`) as string;
  } catch {
    return inside;
  }
}

/** The text of a member of an object in JSON; an empty one if there is none. */
export function memberText(text: string, wanted: string): string {
  const name = JSON.stringify(wanted);
  let depth = 0;
  let isKey = true;
  for (const { type, from, to } of tokens(text)) {
    const mark = type === "mark" ? text[from] : "";
    if (mark === "{" || mark === "[") {
      depth++;
      isKey = mark === "{";
    } else if (mark === "}" || mark === "]") {
      depth--;
    } else if (mark === "," || mark === ":") {
      isKey = mark === ",";
    } else if (depth === 1 && isKey && text.slice(from, Math.min(to, from + name.length + 1)) === name) {
      return valueAfter(text, to);
    }
  }
  return "";
}

/** The value behind a key. */
function valueAfter(text: string, key: number): string {
  let depth = 0;
  let begin = -1;
  for (const { type, from, to } of tokens(text, key)) {
    const mark = type === "mark" ? text[from] : "";
    if (mark === ":" && begin < 0) {
      continue;
    }
    begin = begin < 0 ? from : begin;
    depth += mark === "{" || mark === "[" ? 1 : mark === "}" || mark === "]" ? -1 : 0;
    if (depth <= 0) {
      return text.slice(begin, to);
    }
  }
  return begin < 0 ? "" : text.slice(begin);
}
