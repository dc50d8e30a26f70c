/**
 * `npm test`: installs and builds what is not up to date, then runs every test file with `node:test`.
 *
 *     npm test                            all tests
 *     npm test -- wal/test/format         only files whose path contains one of the words
 *     npm test -- --test-name-pattern=x   flags go to Node
 *
 * Tests run from the TypeScript sources, compiled once for all of them; where coverage is counted (`NODE_V8_COVERAGE`) each
 * process compiles what it loads, so that every source is a file of its own. Fails when a test fails and also when none ran.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { findFiles, findInPackages } from "./find-files.mjs";
import { ROOT, SOURCE_FLAGS, ensureBuilt, fail, runNode } from "./setup.mjs";
import { PROGRAM_FLAGS, writeTestPrograms } from "./test-programs.mjs";

/**
 * A hanging file becomes a failing file. Generous: the slowest honest file stays under a minute, and a machine with much else
 * to do takes many times as long. Who asks for many kill cycles waits for them.
 */
const FILE_TIMEOUT_MS = process.env["WALNUT_KILL_CYCLES"] === undefined ? 600_000 : 86_400_000;

/** Half of the time a test file waits for the disk or a child process, so one more than there are cores. */
const FILES_AT_ONCE = Math.min(8, availableParallelism() + 1);

const words = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const nodeFlags = process.argv.slice(2).filter((argument) => argument.startsWith("-"));

ensureBuilt();
const files = [
  ...findInPackages("test", ".test.ts"),
  ...findFiles("examples", ".test.ts"),
  ...findFiles("tools", ".test.ts"),
].filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
if (files.length === 0) {
  fail(words.length === 0 ? "no test files found." : `no test file matches ${words.join(", ")}.`);
}
process.exitCode = await runTests();

async function runTests() {
  const startedMs = Date.now();
  const folder = mkdtempSync(join(tmpdir(), "walnut-test-"));
  const countsFile = join(folder, "counts.json");
  const isCounted = process.env["NODE_V8_COVERAGE"] !== undefined;
  try {
    const programs = isCounted ? files : await writeTestPrograms(files, folder);
    const exitCode = runNode([
      ...(isCounted ? SOURCE_FLAGS : PROGRAM_FLAGS),
      "--test",
      `--test-concurrency=${FILES_AT_ONCE}`,
      `--test-timeout=${FILE_TIMEOUT_MS}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      `--test-reporter=${pathToFileURL(join(ROOT, "tools", "count-reporter.mjs")).href}`,
      `--test-reporter-destination=${countsFile}`,
      ...nodeFlags,
      ...programs,
    ]);
    const counts = existsSync(countsFile) ? JSON.parse(readFileSync(countsFile, "utf8")) : {};
    return report(exitCode, counts, Math.round((Date.now() - startedMs) / 1000));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Prints the closing line.
 *
 * @param {number} exitCode
 * @param {Record<string, number>} counts
 * @param {number} seconds
 */
function report(exitCode, counts, seconds) {
  const { tests = 0, pass = 0, fail: failed = 0, cancelled = 0, skipped = 0, todo = 0 } = counts;
  const isGood = exitCode === 0 && failed === 0 && cancelled === 0 && pass > 0;
  const outcome = isGood ? "passed" : pass + failed === 0 ? "FAILED: no tests ran" : "FAILED";
  process.stdout.write(
    `\nwalnut: ${outcome}: ${tests} tests in ${files.length} files: ${pass} passed, ` +
      `${failed + cancelled} failed, ${skipped} skipped, ${todo} to do (${seconds} s, Node ${process.versions.node})\n`,
  );
  if (isGood) return 0;
  return exitCode === 0 ? 1 : exitCode;
}
