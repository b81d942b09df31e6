// Files that somebody chose or dropped.

import { fetchFile, type Fetched } from "./server.ts";

const COLUMNS = /<script type="application\/octet-stream" id="columns">([^<]*)<\/script>/;

/** A page that was saved holds its trace; any other file is read by the server, if there is one. */
export async function traceOfFile(file: File, hasServer: boolean): Promise<string | Fetched> {
  if (/\.html?$/i.test(file.name)) {
    const columns = COLUMNS.exec(await file.text())?.[1].trim();
    if (columns) {
      return columns;
    }
    throw new Error(`${file.name} is no page with a trace in it`);
  }
  if (!hasServer) {
    throw new Error(`${file.name} is no page that was saved; \`osprofiler ui\` opens other files`);
  }
  return fetchFile(file);
}
