/**
 * A directory for measurements that is gone afterwards, and what kind of disk it is on.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { CommandEnvironment } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE, EXIT_USAGE } from "./exit-code.ts";

/** File systems by the number that the kernel gives them. */
const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  ef53: "ext4",
  "58465342": "xfs",
  "9123683e": "btrfs",
  "2fc12fc1": "zfs",
  "1021994": "tmpfs",
  "858458f6": "ramfs",
  "794c7630": "overlayfs",
  "6969": "nfs",
  f2f52010: "f2fs",
};
const VOLATILE = new Set(["tmpfs", "ramfs"]);

export interface Volume {
  /** Name of the file system; "unknown" for one that is not in our list. */
  readonly fileSystem: string;
  /** Nothing on it survives a power loss. */
  readonly isVolatile: boolean;
  readonly freeBytes: number;
}

/** Runs `work` in a fresh directory below `parent`, which must exist, and removes it, on Ctrl-C too. */
export async function inScratchDirectory<T>(
  parent: string,
  environment: CommandEnvironment,
  work: (directory: string, volume: Volume) => Promise<T>,
): Promise<T> {
  let directory: string;
  try {
    directory = await mkdtemp(join(parent, "walnut-scratch-"));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(EXIT_USAGE, `cannot make files in ${parent}: ${text}`, {
      cause: error,
    });
  }
  const unregister = environment.onStopSignal(() => {
    rmSync(directory, { recursive: true, force: true });
    environment.exitNow(EXIT_FAILURE);
  });
  try {
    return await work(directory, await volumeOf(directory));
  } finally {
    unregister();
    await rm(directory, { recursive: true, force: true });
  }
}

async function volumeOf(directory: string): Promise<Volume> {
  const { type, bavail, bsize } = await statfs(directory);
  const fileSystem = FILE_SYSTEMS[(type >>> 0).toString(16)] ?? "unknown";
  return { fileSystem, isVolatile: VOLATILE.has(fileSystem), freeBytes: bavail * bsize };
}
