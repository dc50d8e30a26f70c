/**
 * Finds files of the repository by the end of their name. Node 20 has no globs, and the tools take no
 * dependency for them.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./setup.mjs";

/** Folders of what is installed, generated or written by running: by name anywhere, or at the root only. */
const NOT_SOURCES = new Set(["node_modules", "dist", ".git"]);
const NOT_SOURCES_AT_ROOT = new Set(["data", "coverage"]);

/** Names of the folders under `packages/`, in alphabetical order. */
export function packageFolders() {
  return readdirSync(join(ROOT, "packages"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/**
 * Files below `packages/<any>/<folder>` whose name ends with `suffix`, relative to the repository, with
 * forward slashes.
 *
 * @param {string} folder
 * @param {string} suffix
 */
export function findInPackages(folder, suffix) {
  return packageFolders().flatMap((name) => findFiles(`packages/${name}/${folder}`, suffix));
}

/**
 * Files below `folder` (relative to the repository, "" for all of it) whose name ends with `suffix`.
 *
 * @param {string} folder
 * @param {string} suffix
 * @returns {string[]}
 */
export function findFiles(folder, suffix) {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap((entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (NOT_SOURCES.has(entry.name) || NOT_SOURCES_AT_ROOT.has(path)) return [];
      if (entry.isDirectory()) return findFiles(path, suffix);
      return entry.isFile() && entry.name.endsWith(suffix) ? [path] : [];
    });
}
