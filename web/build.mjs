// Bundles src/ into dist/page.html, which the report crate embeds: one file with its script and style,
// allowed by their hashes and nothing else. The same sources give the same bytes.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const common = {
  absWorkingDir: here("."),
  bundle: true,
  charset: "utf8",
  format: "iife",
  legalComments: "none",
  logLevel: "warning",
  minify: true,
  target: "es2022",
  write: false,
};

/** The worker's program as text, so that the page needs no second file. */
const inlineWorker = {
  name: "inline-worker",
  setup(build) {
    build.onResolve({ filter: /^worker:program$/ }, ({ path }) => ({ path, namespace: "worker" }));
    build.onLoad({ filter: /.*/, namespace: "worker" }, async () => {
      const { outputFiles } = await bundle("src/data/worker.ts");
      return { contents: outputFiles[0].text, loader: "text" };
    });
  },
};

const bundle = (entry) => build({ ...common, entryPoints: [entry] });

const csp = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const { outputFiles } = await build({
  ...common,
  entryPoints: ["src/main.tsx"],
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: "dist",
  plugins: [inlineWorker],
});
const text = (suffix) => outputFiles.find(({ path }) => path.endsWith(suffix)).text.trim();
const [script, style] = [text(".js"), text(".css")];
if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) {
  throw new Error("the bundle holds a tag that would end its own element");
}

const parts = { script, style, "script-hash": csp(script), "style-hash": csp(style) };
const template = await readFile(here("page.html"), "utf8");
const page = template.replace(/\{\{([a-z-]+)\}\}/g, (place, name) => parts[name] ?? place);
await mkdir(here("dist"), { recursive: true });
await writeFile(here("dist/page.html"), page);
