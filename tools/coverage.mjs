/**
 * `npm run coverage`: runs the tests of `packages/wal` and prints how much of its sources ran.
 *
 *     npm run coverage                 all of it; fails below the limits
 *     npm run coverage -- format       only test files whose path contains the word; no limits
 *     npm run coverage -- --lines      also the lines that never ran
 *
 * Node writes what V8 counted (`NODE_V8_COVERAGE`), for every process of every test; offsets in what tsx made of a source
 * are led back by its source map. A line counts as run when something on it ran. A branch is a range that V8 counted apart
 * (a function, an arm of an `if`, what follows a `return`); it counts as run when it ran in any process.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { findFiles } from "./find-files.mjs";
import { ROOT, fail, runNode } from "./setup.mjs";

const SOURCES = "packages/wal/src";
const SOURCE_URL = pathToFileURL(join(ROOT, SOURCES)).href + "/";
const MIN_LINES_PERCENT = 95;
const MIN_BRANCHES_PERCENT = 90;
/** Files below these are shown in a full run. */
const SHOWN_BELOW_PERCENT = { lines: 98, branches: 95 };
/** Most stretches of lines shown of one file. */
const SHOWN_STRETCHES = 12;

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * @typedef {{ startOffset: number, endOffset: number, count: number }} Range
 * @typedef {{ ranges: Range[] }} FunctionCoverage
 * @typedef {{ offset: number, line: number }} Place
 * @typedef {{ places: Place[], lines: Map<number, boolean>, branches: Map<string, { line: number, isRun: boolean }> }} SourceFile
 */

const words = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const showsLines = process.argv.includes("--lines");

const folder = mkdtempSync(join(tmpdir(), "walnut-coverage-"));
try {
  const exitCode = runTests(folder);
  report(gather(folder));
  if (exitCode !== 0) fail("the tests failed: what they would have run is missing above.");
} finally {
  rmSync(folder, { recursive: true });
}

/** @param {string} target */
function runTests(target) {
  const test = fileURLToPath(new URL("./test.mjs", import.meta.url));
  const chosen = words.length === 0 ? ["packages/wal/test/"] : words;
  const environment = { ...process.env, NODE_V8_COVERAGE: target };
  return runNode([test, ...chosen], environment);
}

/** @param {string} target */
function gather(target) {
  /** @type {Map<string, SourceFile>} */
  const files = new Map();
  for (const name of readdirSync(target)) {
    const { result, "source-map-cache": maps = {} } = countsIn(join(target, name));
    for (const { url, functions } of result) {
      if (!url.startsWith(SOURCE_URL)) continue;
      // tsx tells versions of a file apart by a query.
      const bare = url.split("?")[0];
      const map = maps[url];
      if (map === undefined || map.data === null) continue;
      const file = files.get(bare) ?? newFile(map);
      files.set(bare, file);
      count(file, functions);
    }
  }
  return files;
}

/**
 * What one process counted; nothing when it was killed while it wrote that down.
 *
 * @param {string} path
 */
function countsIn(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return { result: [] };
    throw error;
  }
}

/**
 * @param {{ lineLengths: number[], data: { mappings: string } }} map
 * @returns {SourceFile}
 */
function newFile({ lineLengths, data }) {
  const places = decodeMappings(data.mappings, lineLengths);
  return { places, lines: new Map(), branches: new Map() };
}

/**
 * @param {SourceFile} file
 * @param {FunctionCoverage[]} functions
 */
function count(file, functions) {
  const ranges = functions.flatMap((each) => each.ranges);
  // Outer ranges first, so that the last one that contains an offset is the innermost.
  ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  for (const { line, isRun } of sweep(file.places, ranges)) {
    file.lines.set(line, isRun || file.lines.get(line) === true);
  }
  const seen = new Set(ranges.map((range) => keyOf(range)));
  for (const range of ranges) {
    const key = keyOf(range);
    const known = file.branches.get(key);
    const line = known?.line ?? lineAt(file.places, range);
    file.branches.set(key, { line, isRun: range.count > 0 || known?.isRun === true });
  }
  // A branch that another process counted apart, and this one did not, ran as often here as what is around it.
  for (const [key, branch] of file.branches) {
    if (branch.isRun || seen.has(key)) continue;
    const [start = 0, end = 0] = key.split("-").map(Number);
    const around = ranges.findLast((range) => range.startOffset <= start && range.endOffset >= end);
    branch.isRun = around !== undefined && around.count > 0;
  }
}

/** @param {Range} range */
function keyOf({ startOffset, endOffset }) {
  return `${startOffset}-${endOffset}`;
}

/**
 * Whether each place ran.
 *
 * @param {readonly Place[]} places - ascending
 * @param {readonly Range[]} ranges - ascending, outer before inner
 */
function* sweep(places, ranges) {
  /** @type {Range[]} */
  const open = [];
  let next = 0;
  for (const { offset, line } of places) {
    for (let range = ranges[next]; range !== undefined && range.startOffset <= offset;) {
      while ((open.at(-1)?.endOffset ?? Infinity) <= range.startOffset) open.pop();
      open.push(range);
      next += 1;
      range = ranges[next];
    }
    while ((open.at(-1)?.endOffset ?? Infinity) <= offset) open.pop();
    yield { line, isRun: (open.at(-1)?.count ?? 0) > 0 };
  }
}

/**
 * The line of the first token in a range.
 *
 * @param {readonly Place[]} places
 * @param {Range} range
 */
function lineAt(places, range) {
  return places.find(({ offset }) => offset >= range.startOffset)?.line ?? 0;
}

/** @param {Map<string, SourceFile>} files */
function report(files) {
  if (files.size === 0) fail("nothing of the sources ran.");
  const measured = new Set([...files.keys()].map((url) => relative(url)));
  const rows = [...files].map(([url, file]) => rowOf(relative(url), file));
  // A file that no test loads has no counts at all; files of types alone have nothing to run.
  const unloaded = findFiles(SOURCES, ".ts").filter((path) => !measured.has(path));
  const total = {
    lines: sum(rows.map((row) => row.lines)),
    branches: sum(rows.map((row) => row.branches)),
  };
  const isPart = words.length > 0;
  rows.sort((a, b) => percent(a.branches) - percent(b.branches));
  const shown = rows.filter(
    ({ lines, branches }) =>
      percent(lines) < SHOWN_BELOW_PERCENT.lines ||
      percent(branches) < SHOWN_BELOW_PERCENT.branches,
  );
  for (const row of shown) {
    print(`${cell(row.lines)} ${cell(row.branches)}  ${row.path}`);
    if (showsLines)
      print(`${" ".repeat(17)}lines ${row.missing.lines}; branches ${row.missing.branches}`);
  }
  for (const path of unloaded) print(`   types or never loaded  ${path}`);
  print(
    `walnut: coverage of ${SOURCES}: ${cell(total.lines).trim()} of ${total.lines.all} lines, ` +
      `${cell(total.branches).trim()} of ${total.branches.all} branches`,
  );
  if (isPart) return;
  if (percent(total.lines) < MIN_LINES_PERCENT || percent(total.branches) < MIN_BRANCHES_PERCENT) {
    fail(
      `coverage is below ${MIN_LINES_PERCENT} % of lines or ${MIN_BRANCHES_PERCENT} % of branches.`,
    );
  }
}

/**
 * @param {string} path
 * @param {SourceFile} file
 */
function rowOf(path, file) {
  const lines = [...file.lines].filter(([, isRun]) => !isRun).map(([line]) => line);
  const branches = [...file.branches.values()]
    .filter(({ isRun }) => !isRun)
    .map(({ line }) => line);
  return {
    path,
    lines: { all: file.lines.size, run: file.lines.size - lines.length },
    branches: { all: file.branches.size, run: file.branches.size - branches.length },
    missing: { lines: stretches(lines), branches: stretches(branches) },
  };
}

/** @param {string} url */
function relative(url) {
  return `${SOURCES}/${decodeURIComponent(url.slice(SOURCE_URL.length))}`;
}

/** @param {readonly { all: number, run: number }[]} counts */
function sum(counts) {
  return counts.reduce((a, b) => ({ all: a.all + b.all, run: a.run + b.run }), { all: 0, run: 0 });
}

/** @param {{ all: number, run: number }} counts */
function percent({ all, run }) {
  return all === 0 ? 100 : (100 * run) / all;
}

/** @param {{ all: number, run: number }} counts */
function cell(counts) {
  return `${percent(counts).toFixed(1)} %`.padStart(8);
}

/**
 * Lines as people write them: `3-7, 12`.
 *
 * @param {readonly number[]} lines
 */
function stretches(lines) {
  /** @type {[number, number][]} */
  const found = [];
  for (const line of [...new Set(lines)].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && line <= last[1] + 1) last[1] = line;
    else found.push([line, line]);
  }
  const texts = found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
  const more = texts.length > SHOWN_STRETCHES ? ", …" : "";
  return (texts.slice(0, SHOWN_STRETCHES).join(", ") || "none") + more;
}

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * The tokens of a source map: offset in the code that ran, and line (from 1) of the source.
 *
 * @param {string} mappings
 * @param {readonly number[]} lineLengths
 */
function decodeMappings(mappings, lineLengths) {
  /** @type {Place[]} */
  const places = [];
  let lineStart = 0;
  let sourceLine = 0;
  for (const [index, text] of mappings.split(";").entries()) {
    let column = 0;
    for (const segment of text.split(",")) {
      const [columns = 0, , lines] = decodeVlq(segment);
      if (segment === "") continue;
      column += columns;
      if (lines === undefined) continue;
      sourceLine += lines;
      places.push({ offset: lineStart + column, line: sourceLine + 1 });
    }
    lineStart += (lineLengths[index] ?? 0) + 1;
  }
  return places;
}

/** @param {string} text - numbers of 5 bits a digit, the sign in the lowest bit */
function decodeVlq(text) {
  /** @type {number[]} */
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const character of text) {
    const digit = BASE64.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if ((digit & 32) !== 0) continue;
    numbers.push((value & 1) === 0 ? value >> 1 : -(value >> 1));
    value = 0;
    shift = 0;
  }
  return numbers;
}
