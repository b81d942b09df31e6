// SQL on lines that show its parts. Only space is changed: whoever copies it copies the statement.

/** Words that begin a line, and those that begin one a level deeper. */
const CLAUSE =
  /^(select|from|where|group by|order by|having|limit|offset|union(?: all)?|insert into|values|update|set|delete from|returning|on duplicate key update|for update|(?:(?:left|right|full)(?: outer)?|inner|cross|natural)? ?join)\b/i;
const CONDITION = /^(and|or|on)\b/i;
/** Longer statements stay as they are. */
export const MAX_SQL = 50_000;
const TOKEN = /\s*(?:'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|`[^`]*`|[(),]|[^\s'"`(),]+)/gs;

export interface SqlPart {
  text: string;
  isKeyword: boolean;
}

/** The statement with a line for each clause, and the keywords marked. */
export function formatSql(statement: string): SqlPart[] {
  const spaced = statement.match(TOKEN) ?? [];
  const tokens = spaced.map((token) => token.trimStart());
  const spaceBefore = (at: number) => (at > 0 && spaced[at] !== tokens[at] ? " " : "");
  const parts: SqlPart[] = [];
  const breaks: boolean[] = [];
  let depth = 0;
  const put = (text: string, isKeyword: boolean) => parts.push({ text, isKeyword });
  for (let at = 0; at < tokens.length; at++) {
    const clause = clauseAt(tokens, at);
    const before = at === 0 ? "" : tokens[at - 1];
    if (clause) {
      if (parts.length > 0 && before !== "(") {
        put(`\n${"  ".repeat(depth)}`, false);
      }
      put(clause.text, true);
      at += clause.count - 1;
      continue;
    }
    const token = tokens[at];
    if (token === ")") {
      const isBroken = breaks.pop();
      depth -= isBroken ? 1 : 0;
      put(isBroken ? `\n${"  ".repeat(depth)})` : ")", false);
    } else if (token === "(") {
      const isBroken = /^select$/i.test(tokens[at + 1] ?? "");
      breaks.push(isBroken);
      depth += isBroken ? 1 : 0;
      put(isBroken ? ` (\n${"  ".repeat(depth)}` : `${spaceBefore(at)}(`, false);
    } else if (CONDITION.test(token)) {
      put(`\n${"  ".repeat(depth + 1)}`, false);
      put(token, true);
    } else {
      put(spaceBefore(at) + token, false);
    }
  }
  return parts;
}

/** A clause may be of several words, such as `LEFT OUTER JOIN`. */
function clauseAt(tokens: string[], at: number): { text: string; count: number } | null {
  for (let count = 4; count >= 1; count--) {
    const text = tokens.slice(at, at + count).join(" ");
    if (CLAUSE.exec(text)?.[0].trim().length === text.length) {
      return { text, count };
    }
  }
  return null;
}
