/**
 * Bundles the web console (packages/console/src/app) into static files: one script, one style sheet, an icon and the
 * page that names them, each also compressed, and a manifest for the server.
 *
 * Names carry a hash of the content, so that browsers may keep a file for ever. Nothing is done when no input changed.
 * Two processes may build at once: every file is put in place whole, the manifest last.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const APP = join("packages", "console", "src", "app");
const SITE = join("packages", "console", "dist", "site");
const MANIFEST = "manifest.json";
const HASH_LENGTH = 12;
/** Their licences ask to be named in every copy. */
const BANNER =
  "/*! Walnut console (Apache-2.0). With preact (MIT, Jason Miller) and uPlot (MIT, Leon Sorokin). */";

/**
 * Builds what is not up to date. False when the sources have an error, which has been printed.
 *
 * @param {string} root - the repository
 */
export function buildConsole(root) {
  const site = join(root, SITE);
  const inputs = hashOfInputs(root);
  if (isCurrent(site, inputs)) return true;
  const outputs = bundle(root);
  if (outputs === undefined) return false;
  const page = (/** @type {string} */ name) => readFileSync(join(root, APP, name), "utf8");
  const assets = [
    { kind: "script", extension: "js", contentType: "text/javascript", text: outputs.script },
    { kind: "style", extension: "css", contentType: "text/css", text: outputs.style },
    { kind: "icon", extension: "svg", contentType: "image/svg+xml", text: page("icon.svg").trim() },
  ].map(({ kind, extension, contentType, text }) => {
    const tag = hashOf(text);
    const file = `${kind}-${tag}.${extension}`;
    const type = `${contentType}; charset=utf-8`;
    return {
      kind,
      path: `/console/${file}`,
      file,
      contentType: type,
      tag,
      isImmutable: true,
      text,
    };
  });
  const html = assets.reduce(
    (text, { kind, file }) => text.replace(`{${kind}}`, file),
    page("index.html"),
  );
  const index = {
    path: "/",
    file: "index.html",
    contentType: "text/html; charset=utf-8",
    tag: hashOf(html),
    isImmutable: false,
    text: html,
  };
  mkdirSync(site, { recursive: true });
  const files = [...assets, index].map(({ path, file, contentType, tag, isImmutable, text }) => {
    writeCompressed(join(site, file), text);
    return { path, file, contentType, tag, isImmutable };
  });
  put(join(site, MANIFEST), JSON.stringify({ inputs, files }, undefined, 2));
  removeOthers(site, new Set(files.map(({ file }) => file)));
  return true;
}

/**
 * Removes what was built.
 *
 * @param {string} root - the repository
 */
export function cleanConsole(root) {
  rmSync(join(root, SITE), { recursive: true, force: true });
}

/**
 * @param {string} root
 * @returns {{ script: string, style: string } | undefined}
 */
function bundle(root) {
  // Loaded only when there is something to do: it takes longer to load than to look.
  const require = createRequire(import.meta.url);
  /** @type {typeof import("esbuild")} */
  const esbuild = require("esbuild");
  try {
    const { outputFiles } = esbuild.buildSync({
      absWorkingDir: root,
      entryPoints: [join(APP, "main.tsx"), join(APP, "console.css")],
      outdir: SITE,
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      target: ["es2022", "safari16"],
      jsx: "automatic",
      jsxImportSource: "preact",
      legalComments: "none",
      banner: { js: BANNER },
      logLevel: "warning",
    });
    const textOf = (/** @type {string} */ suffix) =>
      outputFiles.find(({ path }) => path.endsWith(suffix))?.text ?? "";
    return { script: textOf("main.js"), style: textOf("console.css") };
  } catch {
    return undefined; // esbuild has printed the errors.
  }
}

/** @param {string} root */
function hashOfInputs(root) {
  const app = join(root, APP);
  const own = readFileSync(new URL(import.meta.url));
  const packageText = readFileSync(join(root, "packages", "console", "package.json"));
  const hash = createHash("sha256").update(own).update(packageText);
  for (const name of readdirSync(app).sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(join(app, name)));
  }
  return hash.digest("hex");
}

/**
 * @param {string} site
 * @param {string} inputs
 */
function isCurrent(site, inputs) {
  const manifest = join(site, MANIFEST);
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).inputs === inputs;
}

/**
 * @param {string} path
 * @param {string} text
 */
function writeCompressed(path, text) {
  const bytes = Buffer.from(text, "utf8");
  put(path, bytes);
  put(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  put(
    `${path}.br`,
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  );
}

/**
 * @param {string} path
 * @param {string | Uint8Array} content
 */
function put(path, content) {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

/**
 * Files of earlier builds. Those of a build that runs beside this one have a process id in their name and stay.
 *
 * @param {string} site
 * @param {ReadonlySet<string>} files
 */
function removeOthers(site, files) {
  for (const name of readdirSync(site)) {
    const isOurs = name === MANIFEST || files.has(name.replace(/\.(gz|br)$/, ""));
    if (!isOurs && !name.endsWith(".tmp")) rmSync(join(site, name), { force: true });
  }
}

/** @param {string} text */
function hashOf(text) {
  return createHash("sha256").update(text).digest("hex").slice(0, HASH_LENGTH);
}
