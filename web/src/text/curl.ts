// A request that was traced, as a command that sends it again.

import { jsonLines } from "./json.ts";

/** The command for an info with a `request` or `requests`; `null` if there is none. */
export function curlOf(info: string): string | null {
  const lines = jsonLines(info);
  const at = lines.findIndex(({ depth, key, type }) => depth === 1 && type === "object" && (key === "request" || key === "requests"));
  if (at < 0) {
    return null;
  }
  const fields = new Map(
    lines.slice(at + 1, at + 1 + lines[at].below).filter(({ depth }) => depth === 2).map(({ key, value }) => [key, value]),
  );
  const field = (key: string) => fields.get(key) ?? "";
  // What was served says nothing of where: the reader has to.
  const host = field("hostname") || "HOST";
  const port = field("port") && `:${field("port")}`;
  const query = field("query") && `?${field("query")}`;
  const url = `${field("scheme") || "http"}://${host}${port}${field("path")}${query}`;
  const method = field("method") || "GET";
  return ["curl", ...(method === "GET" ? [] : ["-X", inShell(method)]), inShell(url)].join(" ");
}

/** Quoted so that no shell finds anything in it but the text. */
export function inShell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
