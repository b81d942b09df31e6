// What the page asks `osprofiler ui` for: docs/api.md.

const API = "api/v1";

/** A trace in the list. Times are in microseconds. */
export interface Summary {
  base_id: string;
  timestamp: string;
  duration_us: number;
  points: number;
  unfinished: number;
  errors: number;
  root: { name: string; project?: string; service?: string; host?: string; request?: string };
}

export interface ListPage {
  traces: Summary[];
  next: string | null;
  skipped: number;
}

/** Parameters of the list, by their names in the API. */
export type Filter = Record<string, string>;

/** How far a trace has come. */
export interface Progress {
  records: number;
  points: number;
}

/** A trace as columns, and what is missing of it if the back end failed midway. */
export interface Fetched {
  columns: ArrayBuffer;
  incomplete: string;
}

/** Of larger traces the upper levels are fetched; what is below them is opened by itself. */
const MAX_POINTS = 300_000;

/** Milliseconds until a server that refused to tell what is new is asked again. */
const RETRY = 5000;

export class ServerError extends Error {}

export async function fetchList(filter: Filter, cursor: string | null): Promise<ListPage> {
  const query = new URLSearchParams(filter);
  if (cursor !== null) {
    query.set("cursor", cursor);
  }
  return (await ask(`traces?${query}`)).json();
}

export async function fetchConnection(): Promise<string> {
  return (await (await ask("about")).json()).connection_string;
}

/** A trace, or what is below one of its points. */
export async function fetchTrace(id: string, below: string | null): Promise<Fetched> {
  const path = below === null ? tracePath(id) : `${tracePath(id)}/points/${encodeURIComponent(below)}/subtree`;
  return fetched(await ask(`${path}?records=true&max_points=${MAX_POINTS}`));
}

/** Has the server read a file: records, a report, or what other tools write. */
export async function fetchFile(file: Blob): Promise<Fetched> {
  return fetched(await ask("view", { method: "POST", body: file }));
}

export function exportUrl(id: string, format: string): string {
  return `${API}/${tracePath(id)}?format=${format}`;
}

/** Tells of traces as they come; gives what ends that. */
export function watchList(filter: Filter, onTraces: (traces: Summary[]) => void, onProblem: (problem: string) => void): () => void {
  const path = `traces/events?${new URLSearchParams(filter)}`;
  return watch(path, "traces", (data) => onTraces((data as { traces: Summary[] }).traces), onProblem);
}

/** Tells how far a trace has come, as it comes; gives what ends that. */
export function watchTrace(id: string, onProgress: (progress: Progress) => void, onProblem: (problem: string) => void): () => void {
  return watch(`${tracePath(id)}/events`, "trace", (data) => onProgress(data as Progress), onProblem);
}

function tracePath(id: string): string {
  // The API has paths of its own beside the ids.
  return `traces/${id === "events" ? "%65vents" : encodeURIComponent(id)}`;
}

async function ask(path: string, how: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${API}/${path}`, how);
  } catch {
    throw new ServerError("the server does not answer");
  }
  if (!response.ok) {
    throw new ServerError(await messageOf(response));
  }
  return response;
}

async function messageOf(response: Response): Promise<string> {
  try {
    return ((await response.json()) as { error: { message: string } }).error.message;
  } catch {
    return `the server answers with status ${response.status}`;
  }
}

async function fetched(response: Response): Promise<Fetched> {
  const incomplete = response.headers.get("osprofiler-incomplete") ?? "";
  return { columns: await response.arrayBuffer(), incomplete };
}

/**
 * Listens while the page is seen: a browser opens no more than six connections to a server, and each of the
 * tabs that nobody looks at would hold one.
 */
function watch(path: string, event: string, onData: (data: unknown) => void, onProblem: (problem: string) => void): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const close = () => {
    clearTimeout(timer);
    source?.close();
  };
  const listen = () => {
    close();
    if (document.hidden) {
      return;
    }
    const mine = (source = new EventSource(`${API}/${path}`));
    mine.addEventListener(event, ({ data }) => {
      onProblem("");
      onData(JSON.parse(data));
    });
    mine.addEventListener("problem", ({ data }) => onProblem(JSON.parse(data).error.message));
    mine.onerror = () => {
      // Browsers ask again by themselves, but not where they were refused.
      const isRefused = mine.readyState === EventSource.CLOSED;
      onProblem(isRefused ? "the server does not tell what is new; it is asked again" : "the server does not answer");
      timer = isRefused ? setTimeout(listen, RETRY) : undefined;
    };
  };
  document.addEventListener("visibilitychange", listen);
  listen();
  return () => {
    document.removeEventListener("visibilitychange", listen);
    close();
  };
}
