/**
 * Test files as programs of plain JavaScript: one for each file, with everything of ours that it imports.
 *
 * Compiling each file anew in each test process took more time than many tests do. Here one pass of esbuild serves all of
 * them; what several import is in files they share. Packages of others are loaded from `node_modules`, and what a test
 * imports of `dist` from there, as always. Source maps lead errors and places of tests back to the sources, and
 * `import.meta` says what it says in the source file.
 */
import { symlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, fail } from "./setup.mjs";

/** Node flags that run the programs. */
export const PROGRAM_FLAGS = ["--enable-source-maps"];

/**
 * Writes the programs into `folder`, which is empty, and returns their paths in the order of `files`.
 *
 * @param {readonly string[]} files - relative to the repository
 * @param {string} folder
 */
export async function writeTestPrograms(files, folder) {
  // What is not bundled is looked for beside the programs.
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "junction");
  /** @type {typeof import("esbuild")} */
  const esbuild = createRequire(import.meta.url)("esbuild");
  try {
    await esbuild.build({
      absWorkingDir: ROOT,
      entryPoints: [...files],
      outdir: folder,
      outbase: ROOT,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      keepNames: true,
      format: "esm",
      platform: "node",
      target: `node${process.versions.node}`,
      conditions: ["@walnut/source"],
      plugins: [othersStayOutside, metaOfSource],
      sourcemap: "linked",
      sourcesContent: false,
      logLevel: "warning",
    });
  } catch {
    fail("the tests could not be compiled; the messages above name file and line.");
  }
  return files.map((file) => join(folder, file.replace(/\.ts$/, ".mjs")));
}

/** @type {import("esbuild").Plugin} */
const othersStayOutside = {
  name: "packages of others, and what is built, stay outside",
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === "entry-point" || path.startsWith("@walnut/") ? undefined : { path, external: true },
    );
    build.onResolve({ filter: /^\..*\/dist\// }, ({ path, resolveDir }) => ({
      path: pathToFileURL(join(resolveDir, path)).href,
      external: true,
    }));
  },
};

/** @type {import("esbuild").Plugin} */
const metaOfSource = {
  name: "import.meta of the source file",
  setup(build) {
    build.onLoad({ filter: /\.(ts|mjs)$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      if (!text.includes("import.meta")) return { contents: text, loader: "ts" };
      const meta = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
      // On the first line, so that the others keep their numbers.
      const contents = `const importMeta = ${JSON.stringify(meta)}; ${text.replaceAll("import.meta", "importMeta")}`;
      return { contents, loader: "ts" };
    });
  },
};
