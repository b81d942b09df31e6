// The program whose page is tested: pages it writes, a server it runs.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
/** `cargo build -p osprofiler-cli` puts it there. */
const PROGRAM = process.env.OSPROFILER ?? join(ROOT, "target/debug/osprofiler");

/** Files that are gone when the tests are. */
export const DIRECTORY = mkdtempSync(join(tmpdir(), "osprofiler-e2e-"));
process.on("exit", () => rmSync(DIRECTORY, { recursive: true, force: true }));

/** The records of a real trace of OpenStack. */
export function recordsOf(trace: string): string {
  return join(ROOT, `tests/data/traces/${trace}.records.jsonl`);
}

export function upstreamReportOf(trace: string): string {
  return join(ROOT, `tests/data/traces/${trace}.upstream.json`);
}

export function run(...args: string[]): string {
  return execFileSync(PROGRAM, args, { encoding: "utf8", maxBuffer: 1 << 29 });
}

/** Writes records into a file. */
export function recordsFile(name: string, records: object[]): string {
  const path = join(DIRECTORY, `${name}.jsonl`);
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  return path;
}

/** The page of a trace, as a file. */
export function pageOf(records: string, name: string): string {
  const path = join(DIRECTORY, `${name}.html`);
  run("trace", "show", records, "--html", "--out", path);
  return path;
}

export interface Served {
  url: string;
  connection: string;
  stop(): void;
}

/** `osprofiler ui` over a store with these files in it. */
export async function serve(name: string, files: string[]): Promise<Served> {
  const connection = `sqlite://${join(DIRECTORY, `${name}.db`)}`;
  if (files.length > 0) {
    run("trace", "import", "--connection-string", connection, ...files);
  }
  const server = spawn(PROGRAM, ["ui", "--listen", "127.0.0.1:0", "--connection-string", connection]);
  const url = await new Promise<string>((resolve, reject) => {
    let said = "";
    const listen = (text: Buffer) => {
      said += text;
      const found = /http:\/\/\S+/.exec(said);
      if (found) {
        resolve(found[0]);
      }
    };
    server.stdout.on("data", listen);
    server.stderr.on("data", listen);
    server.on("exit", () => reject(new Error(`the server ended: ${said}`)));
  });
  return { url, connection, stop: () => server.kill() };
}

/** Records of a point: start, and stop unless `us` is null. */
export function point(base_id: string, id: string, parent: string, from: number, us: number | null, more: Partial<Traced> = {}): object[] {
  const { name = "call", service = "api", info = {} } = more;
  const record = (phase: string, at: number) => ({
    name: `${name}-${phase}`, base_id, trace_id: id, parent_id: parent, project: "shop", service,
    timestamp: `${new Date(Date.UTC(2026, 0, 2) + Math.floor(at / 1000)).toISOString().slice(0, -1)}${String(at % 1000).padStart(3, "0")}`,
    info: phase === "start" ? { host: "vm", ...info } : { host: "vm" },
  });
  return us === null ? [record("start", from)] : [record("start", from), record("stop", from + us)];
}

export interface Traced {
  name: string;
  service: string;
  info: object;
}
