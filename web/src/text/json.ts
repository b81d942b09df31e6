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

const TOKEN = /\s*(?:([{}[\],:])|"((?:[^"\\]|\\.)*)"|([^\s{}[\],:"]+))/gsy;

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
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [, mark, string, word] = match;
    const holder = open[open.length - 1];
    if (string !== undefined) {
      if (holder && !holder.isArray && key === null) {
        key = unescaped(string);
      } else {
        add(unescaped(string), "string");
      }
    } else if (word !== undefined) {
      add(word, /^-?\d/.test(word) ? "number" : "word");
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
  const marks = /"(?:[^"\\]|\\.)*"|[{}[\]]/gs;
  let depth = 0;
  for (let match = marks.exec(text); match; match = marks.exec(text)) {
    const [mark] = match;
    if (mark === "{" || mark === "[") {
      depth++;
    } else if (mark === "}" || mark === "]") {
      depth--;
    } else if (depth === 1 && mark === JSON.stringify(wanted)) {
      const colon = /\s*:\s*/y;
      colon.lastIndex = marks.lastIndex;
      if (colon.test(text)) {
        return text.slice(colon.lastIndex, valueEnd(text, colon.lastIndex));
      }
    }
  }
  return "";
}

function valueEnd(text: string, from: number): number {
  const marks = /"(?:[^"\\]|\\.)*"|[{}[\],]/gs;
  marks.lastIndex = from;
  let depth = 0;
  for (let match = marks.exec(text); match; match = marks.exec(text)) {
    const [mark] = match;
    if (mark === "{" || mark === "[") {
      depth++;
    } else if (mark === "}" || mark === "]") {
      depth--;
      if (depth <= 0) {
        return depth < 0 ? match.index : marks.lastIndex;
      }
    } else if (depth === 0) {
      return mark === "," ? match.index : marks.lastIndex;
    }
  }
  return text.length;
}
