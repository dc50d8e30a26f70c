/**
 * The one writer's lock on a directory, held by the kernel: it ends with the process, whatever kills it.
 *
 * On Linux the lock is an abstract Unix socket named after device and inode of the directory: no file is left
 * behind, kill -9 releases it, and two handles of one process exclude each other too. An abstract name is seen
 * only inside one network namespace, so where the optional package fs-native-extensions is installed an OFD lock
 * on the file LOCK is taken as well, which holds across containers that share the directory. On other systems
 * that package is needed.
 *
 * LOCK itself is never removed; its text tells people who the owner is.
 */
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { WalError } from "../errors.ts";
import { isNoSpace } from "./system-error.ts";
import type { DirectoryLock, DirectoryLockRefusal } from "./storage.ts";

const LOCK_NAME = "LOCK";

/** Takes the lock, or says who has it. */
export async function lockDirectory(
  directory: string,
): Promise<DirectoryLock | DirectoryLockRefusal> {
  const lockPath = path.join(directory, LOCK_NAME);
  const handle = await fs.promises.open(
    lockPath,
    fs.constants.O_CREAT | fs.constants.O_RDWR,
    0o600,
  );
  const releases: (() => Promise<void>)[] = [() => handle.close()];
  const releaseAll = async (): Promise<void> => {
    for (const release of releases.reverse()) await release();
    releases.length = 0;
  };
  try {
    const isHeld = await takeKernelLocks(directory, handle.fd, releases);
    if (!isHeld) {
      const owner = (await readOwner(lockPath)) ?? "another process";
      await releaseAll();
      return { kind: "refused", owner };
    }
    await writeOwner(handle);
  } catch (error) {
    await releaseAll();
    throw error;
  }
  return { kind: "held", release: releaseAll };
}

/** Name of the abstract socket that is the lock on a directory, on Linux: while /proc/net/unix lists it, a writer is alive. */
export async function lockSocketName(directory: string): Promise<string> {
  const { dev, ino } = await fs.promises.stat(directory, { bigint: true });
  return `walnut-wal-${dev}-${ino}`;
}

/** For people only: on a full disk the log opens without it. */
async function writeOwner(handle: fs.promises.FileHandle): Promise<void> {
  const text = `process ${process.pid} on ${os.hostname()}, since ${new Date().toISOString()}\n`;
  try {
    await handle.write(text, 0);
    await handle.truncate(Buffer.byteLength(text));
  } catch (error) {
    if (!isNoSpace(error)) throw error;
  }
}

async function takeKernelLocks(
  directory: string,
  fd: number,
  releases: (() => Promise<void>)[],
): Promise<boolean> {
  if (process.platform === "linux") {
    const server = await listen(`\0${await lockSocketName(directory)}`);
    if (server === undefined) return false;
    releases.push(() => closeServer(server));
  }
  const native = await loadNativeLock();
  if (native !== undefined) return native.tryLock(fd);
  if (process.platform === "linux") return true;
  throw new WalError(
    "WAL_INVALID_OPTION",
    `locking ${directory} needs the package "fs-native-extensions" on ${process.platform}: run "npm install fs-native-extensions"`,
    { details: { path: directory, package: "fs-native-extensions" } },
  );
}

interface NativeLock {
  /** Takes an exclusive OFD lock (or the platform's equal); it goes when the descriptor is closed. */
  tryLock(fd: number): boolean;
}

async function loadNativeLock(): Promise<NativeLock | undefined> {
  const packageName = "fs-native-extensions";
  try {
    const loaded: unknown = await import(packageName);
    return (loaded as { default: NativeLock }).default;
  } catch {
    // Optional: not installed, or no binary for this platform. The caller knows what to do without.
    return undefined;
  }
}

/** A server on an abstract socket, or `undefined` when the name is taken. */
function listen(name: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    // exclusive: a cluster worker must bind by itself, or all workers would share one lock.
    server.listen({ path: name, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function closeServer(server: net.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

async function readOwner(lockPath: string): Promise<string | undefined> {
  const text = (await fs.promises.readFile(lockPath, "utf8")).trim();
  return text === "" ? undefined : text;
}
