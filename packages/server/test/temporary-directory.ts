/**
 * Directories for tests, removed when the test process ends: hooks of a test run in the order in which they
 * were registered, so a directory that was made first would go before the server that uses it.
 */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

process.once("exit", () => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

/** Makes an empty directory. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-server-"));
  made.push(directory);
  return directory;
}
