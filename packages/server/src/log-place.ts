/**
 * Where the log is: `DATA_DIR/wal`, or a directory elsewhere that `DATA_DIR/wal` links to.
 *
 * The link is how the data directory remembers its log. A log is never left behind in silence: a start with another
 * place than the one that is remembered is refused, and so is one that finds no log where there was one, which is what a
 * disk that is not mounted looks like. Runs before anything else opens the log or the catalog.
 */
import { lstat, readdir, readlink, realpath, rmdir, symlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isErrno } from "@walnut/wal";
import { prepareDirectory, syncDirectory } from "./data-directory.ts";
import { ServerError } from "./errors.ts";
import { ifThere } from "./if-there.ts";

const LINK_NAME = "wal";
const CATALOG_NAME = "catalog";
const SHARD_NAME = /^worker-\d+$/;

/** What stands at `DATA_DIR/wal`. */
type Place =
  | { readonly kind: "nothing" }
  | { readonly kind: "directory"; readonly isEmpty: boolean }
  | { readonly kind: "link"; readonly target: string };

/**
 * Makes `DATA_DIR/wal` lead to where the log is to be.
 *
 * @param wanted - directory for the log; `undefined`: where it is, and on the first run in the data directory
 * @throws {ServerError} `SERVER_INVALID_OPTION` when the log is in another place, or the directory cannot be used;
 *   `SERVER_LOG_MISSING` when the place is the right one and holds no log although there was one
 */
export async function placeLog(dataDirectory: string, wanted: string | undefined): Promise<void> {
  const path = join(dataDirectory, LINK_NAME);
  const place = await placeAt(path);
  const directory = wanted === undefined ? undefined : resolve(wanted);
  if (place.kind === "link") {
    if (directory !== undefined && !(await isSame(directory, place.target))) {
      throw elsewhere(place.target, directory);
    }
    await assertLogs(dataDirectory, place.target);
    await prepareDirectory(place.target, "walDirectory");
  } else if (directory === undefined || directory === path) {
    await assertLogs(dataDirectory, path);
  } else {
    if (place.kind === "directory" && !place.isEmpty) throw elsewhere(path, directory);
    await link({ dataDirectory, path, directory, isThere: place.kind === "directory" });
  }
}

async function link(facts: {
  readonly dataDirectory: string;
  readonly path: string;
  readonly directory: string;
  /** An empty directory stands where the link is to be. */
  readonly isThere: boolean;
}): Promise<void> {
  const { dataDirectory, path, directory } = facts;
  // 1. The directory, durable. CRASH: place-1 leaves an empty directory, which the next start uses.
  await prepareDirectory(directory, "walDirectory");
  await assertLogs(dataDirectory, directory);
  await assertOwn(dataDirectory, directory);
  if (facts.isThere) await rmdir(path);
  // 2. The link, durable before a log is made behind it. CRASH: place-2 leaves the link and no log: as a first run.
  try {
    await symlink(directory, path);
  } catch (error) {
    // Another process of this server was faster.
    const place = isErrno(error, "EEXIST") ? await placeAt(path) : undefined;
    if (place?.kind !== "link" || place.target !== directory) throw error;
  }
  await syncDirectory(dataDirectory);
}

/** Whether two names are those of one directory. */
async function isSame(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  try {
    return (await realpath(one)) === (await realpath(other));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

async function placeAt(path: string): Promise<Place> {
  try {
    const facts = await lstat(path);
    if (facts.isSymbolicLink()) {
      return { kind: "link", target: resolve(dirname(path), await readlink(path)) };
    }
    return { kind: "directory", isEmpty: (await readdir(path)).length === 0 };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return { kind: "nothing" };
    throw error;
  }
}

/** Every shard that the catalog knows has a log: it is made before the catalog. */
async function assertLogs(dataDirectory: string, directory: string): Promise<void> {
  const logs = new Set(await shardsIn(directory));
  const missing = (await shardsIn(join(dataDirectory, CATALOG_NAME))).filter(
    (shard) => !logs.has(shard),
  );
  if (missing.length === 0) return;
  throw new ServerError(
    "SERVER_LOG_MISSING",
    `${directory} does not hold the log (${missing.join(", ")}) of the data directory ${dataDirectory}: ` +
      "is its disk mounted, or was it moved? Nothing was changed",
    { details: { directory, dataDirectory, missing: missing.join(", ") } },
  );
}

/** A data directory without a catalog has no log yet: one that is there belongs to another. */
async function assertOwn(dataDirectory: string, directory: string): Promise<void> {
  const [known] = await shardsIn(join(dataDirectory, CATALOG_NAME));
  const [found] = await shardsIn(directory);
  if (known !== undefined || found === undefined) return;
  throw wrongPlace(
    directory,
    `${directory} holds the log of another data directory than ${dataDirectory}; choose an empty directory`,
  );
}

async function shardsIn(directory: string): Promise<readonly string[]> {
  const names = (await ifThere(readdir(directory))) ?? [];
  return names.filter((name) => SHARD_NAME.test(name)).toSorted();
}

function elsewhere(current: string, wanted: string): ServerError {
  return wrongPlace(
    wanted,
    `the log is in ${current}, and wal.dir says ${wanted}. To move it: stop the server, move ${current} there, ` +
      "remove the link `wal` in the data directory if there is one, start again",
  );
}

function wrongPlace(path: string, message: string): ServerError {
  return new ServerError("SERVER_INVALID_OPTION", message, {
    details: { option: "walDirectory", path },
  });
}
