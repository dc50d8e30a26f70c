/**
 * Tries one mutant of the engine's sources: copies engine, testkit and tests to a temporary folder, changes the copy, and runs a
 * bounded exploration, or the tests of damage, on it in a process of its own. The mutant is caught when these fail.
 */

import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { SourceEdit, SourceMutant } from "./source-mutants.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

/** Enough for every mutant; most are caught within a tenth of it. */
const MAX_STATES = 8_000;
/** A mutant that makes the engine spin is caught by the clock. */
const TIMEOUT_MS = 120_000;

/** What became of a mutant. */
export interface MutantOutcome {
  readonly isCaught: boolean;
  /** The first line of what broke, or the end of the output. */
  readonly evidence: string;
}

/** Tells what is wrong with an edit's text, or `undefined`: it must be in its file exactly once. */
export async function editProblem(edit: SourceEdit): Promise<string | undefined> {
  const text = await readFile(join(ROOT, "packages/wal/src", edit.file), "utf8");
  const count = text.split(edit.find).length - 1;
  return count === 1
    ? undefined
    : `${edit.file}: the text is there ${count} times: ${edit.find.trim()}`;
}

/** Runs a mutant, or with `undefined` the engine as it is, which must not be "caught". */
export async function tryMutant(
  mutant: SourceMutant | undefined,
  caughtBy: SourceMutant["caughtBy"] = mutant?.caughtBy ?? "damage",
): Promise<MutantOutcome> {
  const folder = await mkdtemp(join(tmpdir(), "walnut-mutant-"));
  try {
    await copySources(folder);
    for (const edit of mutant?.edits ?? []) await applyEdit(folder, edit);
    return caughtBy === "damage"
      ? await runDamageTests(folder)
      : await runExploration(folder, caughtBy);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The same layout, so that every relative import holds, and package names that lead to the copies. */
async function copySources(folder: string): Promise<void> {
  await mkdir(join(folder, "node_modules/@walnut"), { recursive: true });
  for (const name of ["wal", "testkit"]) {
    for (const part of ["src", "package.json"]) {
      const path = join("packages", name, part);
      await cp(join(ROOT, path), join(folder, path), { recursive: true });
    }
    await symlink(join(folder, "packages", name), join(folder, "node_modules/@walnut", name));
  }
  for (const part of ["test/crash", "test/regressions", "test/machine.ts", "test/every-bit.ts"]) {
    const path = join("packages/wal", part);
    await cp(join(ROOT, path), join(folder, path), { recursive: true });
  }
}

async function applyEdit(folder: string, edit: SourceEdit): Promise<void> {
  const path = join(folder, "packages/wal/src", edit.file);
  const parts = (await readFile(path, "utf8")).split(edit.find);
  if (parts.length !== 2) throw new Error(await editProblem(edit));
  await writeFile(path, parts.join(edit.replace));
}

async function runExploration(
  folder: string,
  workloads: readonly string[],
): Promise<MutantOutcome> {
  const program = join(folder, "packages/wal/test/crash/crash.ts");
  const states = ["--states", String(MAX_STATES), "--failures", "1"];
  const { exitCode, output } = await runNode([
    program,
    ...states,
    "--workload",
    workloads.join(","),
  ]);
  const failed = output.split("\n").find((line) => line.startsWith("FAILED "));
  // A mutant that cannot even be loaded has not been caught: it is not a mutant.
  return failed === undefined
    ? { isCaught: exitCode === undefined, evidence: lastLine(output) }
    : { isCaught: exitCode === 1, evidence: failed.slice("FAILED ".length) };
}

async function runDamageTests(folder: string): Promise<MutantOutcome> {
  const tests = join(folder, "packages/wal/test/regressions/damage.test.ts");
  const { exitCode, output } = await runNode(["--test-reporter=tap", "--test", tests]);
  const failed = output.split("\n").find((line) => /^\s+not ok /u.test(line));
  return failed === undefined
    ? { isCaught: exitCode === undefined, evidence: lastLine(output) }
    : { isCaught: exitCode === 1, evidence: failed.trim() };
}

/** Exit code `undefined` means that time was up. */
async function runNode(
  words: readonly string[],
): Promise<{ readonly exitCode: number | undefined; readonly output: string }> {
  const flags = ["--conditions=@walnut/source", "--import", "tsx"];
  const child = spawn(process.execPath, [...flags, ...words], {
    cwd: ROOT,
    // A test that starts tests must not report to its parent's runner.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ exitCode: exitCode ?? undefined, output }));
  });
}

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1) ?? "";
}
