/**
 * Set-up shared by every tool: are the dependencies there, and is the build current?
 *
 * Plain JavaScript without dependencies, because it runs before anything is installed. Each step looks
 * first and works only when something changed, so calling it again costs a few hundred milliseconds.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildConsole, cleanConsole } from "./build-console.mjs";

/** Absolute path of the repository, with a separator at the end. */
export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Node flags that run TypeScript sources directly, every package from its `src`. */
export const SOURCE_FLAGS = ["--conditions=@walnut/source", "--import", "tsx"];

/** Node flags that run a TypeScript program against the built packages, as a user would get them. */
export const DIST_FLAGS = ["--import", "tsx"];

const MIN_NODE = [20, 19];
const LOCK_FILE = join(ROOT, "package-lock.json");
const STAMP_FILE = join(ROOT, "node_modules", ".walnut-stamp");

/**
 * Ends the process with a message for a person; no stack trace, because it is not our bug.
 *
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  process.stderr.write(`walnut: ${message}\n`);
  process.exit(1);
}

/** Installs the dependencies unless `node_modules` already is what the lock file says. */
export function ensureInstalled() {
  assertNodeVersion();
  const lockText = readFileSync(LOCK_FILE, "utf8");
  const stamp = stampOf(lockText);
  if (readIfPresent(STAMP_FILE) === stamp) return;
  if (!isInstalled(lockText)) install();
  writeFileSync(STAMP_FILE, stamp);
}

/** Compiles every package and bundles the console. Both skip what has not changed. */
export function ensureBuilt(/** @type {readonly string[]} */ compilerArguments = []) {
  ensureInstalled();
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const { status } = runSync([compiler, "-b", "tsconfig.build.json", ...compilerArguments]);
  if (status !== 0) fail("the build failed; the messages above name file and line.");
  if (compilerArguments.includes("--clean")) cleanConsole(ROOT);
  else if (!buildConsole(ROOT)) fail("the console could not be bundled; see the messages above.");
}

/**
 * Runs Node with these arguments in the repository, on our terminal, and returns the exit code as a
 * shell would report it.
 *
 * @param {readonly string[]} nodeArguments
 * @param {NodeJS.ProcessEnv} [environment]
 */
export function runNode(nodeArguments, environment = process.env) {
  const { status, signal } = runSync(nodeArguments, environment);
  return status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/**
 * @param {readonly string[]} nodeArguments
 * @param {NodeJS.ProcessEnv} [environment]
 */
function runSync(nodeArguments, environment = process.env) {
  const result = spawnSync(process.execPath, nodeArguments, {
    cwd: ROOT,
    stdio: "inherit",
    env: environment,
  });
  if (result.error) throw result.error;
  return result;
}

function assertNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [minMajor = 0, minMinor = 0] = MIN_NODE;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return;
  fail(`Node ${MIN_NODE.join(".")} or newer is needed; this is ${process.versions.node}.`);
}

/** Native add-ons differ by platform, so a checkout shared between machines is installed anew. */
function stampOf(/** @type {string} */ lockText) {
  const hash = createHash("sha256").update(lockText).digest("hex");
  return `${hash} ${process.platform}-${process.arch}\n`;
}

/**
 * True when `npm ci` or `npm install` was already run by hand for this lock file: npm leaves a record of
 * what it put into `node_modules`. Only optional packages (of other platforms) may be absent from it.
 *
 * @param {string} lockText
 */
function isInstalled(lockText) {
  const installedText = readIfPresent(join(ROOT, "node_modules", ".package-lock.json"));
  if (installedText === undefined) return false;
  const installed = JSON.parse(installedText).packages;
  const wanted = Object.entries(JSON.parse(lockText).packages);
  return wanted.every(([path, entry]) => {
    if (!path.startsWith("node_modules/")) return true;
    if (!existsSync(join(ROOT, path)))
      return entry.optional === true && isForAnotherPlatform(entry);
    return installed[path]?.version === entry.version;
  });
}

/** @param {{ os?: string[], cpu?: string[], libc?: string[] }} entry */
function isForAnotherPlatform(entry) {
  if (entry.os?.includes(process.platform) === false) return true;
  if (entry.cpu?.includes(process.arch) === false) return true;
  // Of the variants for two C libraries one is always absent; npm knows which.
  return entry.libc !== undefined;
}

function install() {
  process.stderr.write("walnut: installing the dependencies (npm ci), once per lock file\n");
  // What the user's npm may be set to (production, no optional packages) must not take away the compiler
  // or the native add-ons. Nothing of ours needs install scripts, so none are run.
  const npmArguments = [
    "ci",
    "--include=dev",
    "--include=optional",
    "--ignore-scripts",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  const npmProgram = process.env["npm_execpath"];
  // Started by `npm start`, the same npm does the installation. `npm` is a script on Windows and needs a shell.
  const result = npmProgram?.endsWith("npm-cli.js")
    ? spawnSync(process.execPath, [npmProgram, ...npmArguments], installOptions(false))
    : spawnSync("npm", npmArguments, installOptions(process.platform === "win32"));
  if (result.error || result.status !== 0) {
    fail(
      "npm ci failed. The first run needs the npm registry (or a filled npm cache); later runs do not.\n" +
        "        When the network is back, run the same command again.",
    );
  }
}

/** @returns {import("node:child_process").SpawnSyncOptions} */
function installOptions(/** @type {boolean} */ shell) {
  // npm's report of "added N packages" goes where our own message goes: standard output is the program's.
  return { cwd: ROOT, stdio: ["ignore", 2, 2], shell };
}

function readIfPresent(/** @type {string} */ path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
