/**
 * Finds out whether a process has a log open for writing, without touching its lock.
 *
 * On Linux the lock is an abstract Unix socket, and the kernel lists those. The list is that of one network namespace: a writer in
 * another container is not seen.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { lockSocketName } from "@walnut/wal";

export interface WriterProbe {
  readonly state: "alive" | "none" | "unknown";
  /** What the last process that took the lock wrote down: "process 4711 on host a, since …". */
  readonly owner: string | undefined;
}

export async function probeWriter(directory: string): Promise<WriterProbe> {
  const owner = (await readText(join(directory, "LOCK")))?.trim();
  const sockets = await readText("/proc/net/unix");
  if (sockets === undefined) return { state: "unknown", owner };
  // Some versions of Node pad the name with zero bytes, which are listed as "@".
  const isAlive = new RegExp(`@${await lockSocketName(directory)}@*$`, "m").test(sockets);
  return { state: isAlive ? "alive" : "none", owner };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    // Not there, or not ours to read: then it tells nothing.
    return undefined;
  }
}
