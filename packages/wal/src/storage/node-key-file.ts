/**
 * Reads a key file, and refuses one that other users of the machine could read or change.
 */
import * as fs from "node:fs";

/** Keys are short lines; a larger file is a mistake in the path. */
const MAX_KEY_FILE_BYTES = 1024 * 1024; // 1 MiB

/** Any access by others, and writing by the group. */
const FORBIDDEN_MODE = 0o027;

/**
 * The text of a key file. Its owner and, for reading, its group may have access; on Windows access lists say who may, and
 * nothing is checked.
 *
 * @throws with a message that says what to change; system errors as they are
 */
export async function readKeyFile(path: string): Promise<string> {
  const handle = await fs.promises.open(path, "r");
  try {
    // Of the open file, so that nobody can put another one in its place in between.
    const stats = await handle.stat();
    if (!stats.isFile()) throw new Error(`${path} is no file`);
    if (process.platform !== "win32" && (stats.mode & FORBIDDEN_MODE) !== 0) {
      const mode = (stats.mode & 0o777).toString(8).padStart(3, "0");
      throw new Error(`its mode is ${mode}, so others can get at the keys: chmod 600 ${path}`);
    }
    if (stats.size > MAX_KEY_FILE_BYTES) throw new Error(`it has ${stats.size} bytes`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}
