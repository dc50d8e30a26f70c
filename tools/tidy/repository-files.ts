/**
 * The files that the house rules look at: what git tracks or would track. Without git (an unpacked
 * archive), everything but installed and generated files.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findFiles } from "../find-files.mjs";
import { ROOT } from "../setup.mjs";

/** Every file, relative to the repository, with forward slashes, in alphabetical order. */
export const repositoryFiles: readonly string[] = listFiles();

/** Sources of the packages: `packages/<name>/src`. */
export const sourceFiles: readonly string[] = repositoryFiles.filter((file) =>
  /^packages\/[^/]+\/src\/.*\.tsx?$/.test(file),
);

/** All TypeScript of ours: sources, tests, benchmarks, tools. */
export const typeScriptFiles: readonly string[] = repositoryFiles.filter((file) =>
  /^(packages|tools)\/.*\.tsx?$/.test(file),
);

/** Every document for people. */
export const documentFiles: readonly string[] = repositoryFiles.filter((file) =>
  file.endsWith(".md"),
);

/** The text of a file; "" when it does not exist, so that a rule about its content fails on its content. */
export function readText(file: string): string {
  const path = join(ROOT, file);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** True for a file or folder of the repository. */
export function existsInRepository(path: string): boolean {
  return existsSync(join(ROOT, path));
}

function listFiles(): string[] {
  const git = spawnSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024, // 64 MiB
  });
  // The list of git still has files that are deleted but not yet committed as such.
  const files: string[] =
    git.status === 0 ? git.stdout.split("\0").filter((file) => file !== "") : findFiles("", "");
  return [...new Set(files)].filter((file) => existsSync(join(ROOT, file))).sort();
}
