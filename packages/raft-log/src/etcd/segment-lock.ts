/**
 * Etcd's locks on the files of a WAL: an exclusive open-file-description lock on each that may be written.
 *
 * Node cannot take one by itself; the optional package fs-native-extensions can. With it, neither etcd nor this process opens what
 * the other has open. Without it this process still sees etcd's locks on Linux, in /proc/locks, and refuses; but an etcd that is
 * started later does not see us. Two processes of ours exclude each other always, by the lock of the directory.
 */
import * as fs from "node:fs";

export interface SegmentLock {
  /** Takes the lock on a file, until {@link SegmentLock.close}. @returns false when another process has it */
  hold(path: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Locks of the real disk. */
export function nodeSegmentLock(): SegmentLock {
  const handles: fs.promises.FileHandle[] = [];
  return {
    hold: async (path) => {
      const native = await loadNativeLock();
      if (native === undefined) return !(await isLockedByOthers(path));
      const handle = await fs.promises.open(path, "r+");
      handles.push(handle);
      return native.tryLock(handle.fd);
    },
    close: async () => {
      for (const handle of handles.splice(0)) await handle.close();
    },
  };
}

/** For disks that only this process sees. */
export function noSegmentLock(): SegmentLock {
  return { hold: () => Promise.resolve(true), close: () => Promise.resolve() };
}

interface NativeLock {
  tryLock(fd: number): boolean;
}

async function loadNativeLock(): Promise<NativeLock | undefined> {
  const packageName = "fs-native-extensions";
  try {
    const loaded: unknown = await import(packageName);
    // What the package exports; it has no types.
    return (loaded as { default: NativeLock }).default;
  } catch {
    // Optional: not installed, or no binary for this platform.
    return undefined;
  }
}

/** Whether /proc/locks names the file: `1: OFDLCK ADVISORY  WRITE -1 fe:00:1234 0 EOF`. */
export async function isLockedByOthers(path: string): Promise<boolean> {
  if (process.platform !== "linux") return false;
  const { ino } = await fs.promises.stat(path, { bigint: true });
  try {
    const locks = await fs.promises.readFile("/proc/locks", "utf8");
    return locks.split("\n").some((line) => line.includes("WRITE") && line.includes(`:${ino} `));
  } catch {
    // Not every container shows it. Then nothing is known.
    return false;
  }
}
