/**
 * The file `pid` in the data directory: which process serves it, for people and scripts that want to signal it.
 *
 * Written once the log and the catalog are locked, so that only their owner is ever named, and removed by a
 * clean stop. After a crash it stays and names a process that is gone: it is a note, not a lock.
 */
import { readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Name of the file inside the data directory. */
export const PROCESS_ID_FILE_NAME = "pid";

/** Notes this process as the one that serves `directory`. */
export async function writeProcessId(directory: string): Promise<void> {
  await writeFile(join(directory, PROCESS_ID_FILE_NAME), noteOf(process.pid));
}

/** Removes the note, unless it names another process by now. */
export async function removeProcessId(directory: string): Promise<void> {
  const path = join(directory, PROCESS_ID_FILE_NAME);
  try {
    if ((await readFile(path, "utf8")) === noteOf(process.pid)) await unlink(path);
  } catch {
    // A note that cannot be read or removed says nothing; the next start writes its own.
  }
}

function noteOf(processId: number): string {
  return `${processId}\n`;
}
