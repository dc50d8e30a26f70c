/**
 * `npm run check`: format, lint, types and the executable house rules, all of them even when one fails.
 *
 * Quiet when good: the output of a step is shown only when the step fails.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findFiles } from "./find-files.mjs";
import { ROOT, SOURCE_FLAGS, ensureInstalled } from "./setup.mjs";

const OXFMT = join("node_modules", "oxfmt", "bin", "oxfmt");
const OXLINT = join("node_modules", "oxlint", "bin", "oxlint");
const TSC = join("node_modules", "typescript", "bin", "tsc");

const STEPS = [
  { name: "format", nodeArguments: [OXFMT, "--check", "."], advice: "npm run format" },
  { name: "types of packages", nodeArguments: [TSC, "-b", "tsconfig.build.json"] },
  // After the build: the linter sees other packages as they were built.
  { name: "lint", nodeArguments: [OXLINT, "--type-aware", "--deny-warnings"] },
  { name: "types of the console", nodeArguments: [TSC, "-p", "packages/console/src/app"] },
  { name: "types of tests and tools", nodeArguments: [TSC, "-p", "tsconfig.json"] },
  {
    name: "house rules",
    nodeArguments: [
      ...SOURCE_FLAGS,
      "--test",
      "--test-reporter=spec",
      ...findFiles("tools/tidy", ".test.ts"),
    ],
    advice: "see STYLE.md; UPDATE=1 npm run check rewrites snapshots",
  },
];

ensureInstalled();
const failed = STEPS.filter((step) => !runStep(step)).map((step) => step.name);
process.stdout.write(
  failed.length === 0
    ? "\nwalnut: check passed\n"
    : `\nwalnut: check FAILED: ${failed.join(", ")}\n`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

/** @param {{ name: string, nodeArguments: readonly string[], advice?: string }} step */
function runStep({ name, nodeArguments, advice }) {
  const startedMs = Date.now();
  const { status, stdout, stderr, error } = spawnSync(process.execPath, nodeArguments, {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
    maxBuffer: 64 * 1024 * 1024, // 64 MiB
  });
  if (error) throw error;
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)\n`);
  if (status === 0) return true;
  process.stdout.write(`\n${stdout}${stderr}\n`);
  if (advice !== undefined) process.stdout.write(`To repair: ${advice}\n\n`);
  return false;
}
