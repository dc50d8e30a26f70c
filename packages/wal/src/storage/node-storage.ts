/**
 * The real disk: `Storage` on node:fs.
 *
 * Uses the callback functions on plain descriptors (measured: a promise-based FileHandle costs about 15 us a
 * call more) and, for `writeDurable` on Linux, a second descriptor opened with O_DSYNC, which makes write and
 * sync one trip through the thread pool instead of two.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { lockDirectory } from "./node-directory-lock.ts";
import { describeVolume } from "./node-volume.ts";
import type { Storage, StorageFile } from "./storage.ts";
import { isErrno } from "./system-error.ts";

/** Above this many bytes a write followed by fdatasync is faster than one O_DSYNC write. */
const DSYNC_WRITE_MAX_BYTES = 64 * 1024; // 64 KiB
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** The disk of this machine. Stateless: one instance serves any number of logs. */
export class NodeStorage implements Storage {
  async ensureDirectory(directory: string): Promise<void> {
    const parent = path.dirname(path.resolve(directory));
    if (!(await isDirectory(directory))) {
      await this.ensureDirectory(parent);
      try {
        await fs.promises.mkdir(directory, { mode: DIRECTORY_MODE });
      } catch (error) {
        if (!(isErrno(error, "EEXIST") && (await isDirectory(directory)))) throw error;
      }
    }
    // Also when it was there: whoever made it may have been killed before this.
    try {
      await this.syncDirectory(parent);
    } catch (error) {
      // A parent that may not be read was not made by us, and was there before this process.
      if (!isErrno(error, "EACCES")) throw error;
    }
  }

  async listDirectory(directory: string): Promise<readonly string[]> {
    return await fs.promises.readdir(directory);
  }

  async syncDirectory(directory: string): Promise<void> {
    // Windows cannot open a directory; NTFS journals names by itself.
    if (process.platform === "win32") return;
    const handle = await fs.promises.open(directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async createFile(filePath: string): Promise<StorageFile> {
    const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;
    return new NodeFile(filePath, await open(filePath, O_CREAT | O_EXCL | O_RDWR), "write");
  }

  async openFile(filePath: string, mode: "read" | "write"): Promise<StorageFile> {
    const { O_RDONLY, O_RDWR } = fs.constants;
    return new NodeFile(filePath, await open(filePath, mode === "read" ? O_RDONLY : O_RDWR), mode);
  }

  async rename(from: string, to: string): Promise<void> {
    await fs.promises.rename(from, to);
  }

  async link(from: string, to: string): Promise<void> {
    await fs.promises.link(from, to);
  }

  async remove(filePath: string): Promise<void> {
    await fs.promises.unlink(filePath);
  }

  lockDirectory: Storage["lockDirectory"] = lockDirectory;
  describeVolume: Storage["describeVolume"] = describeVolume;
}

class NodeFile implements StorageFile {
  readonly path: string;
  readonly #fd: number;
  readonly #mode: "read" | "write";
  /** A second descriptor of the same file, for durable writes; `undefined` where there can be none. */
  #dsyncFd: Promise<number | undefined> | undefined;
  #isClosed = false;

  constructor(filePath: string, fd: number, mode: "read" | "write") {
    this.path = filePath;
    this.#fd = fd;
    this.#mode = mode;
  }

  async size(): Promise<number> {
    const stats = await call<fs.Stats>((done) => {
      fs.fstat(this.#fd, done);
    });
    return stats.size;
  }

  async read(
    target: Uint8Array,
    targetOffset: number,
    length: number,
    offset: number,
  ): Promise<number> {
    let done = 0;
    while (done < length) {
      const bytes = await this.#readOnce(target, targetOffset + done, length - done, offset + done);
      if (bytes === 0) break;
      done += bytes;
    }
    return done;
  }

  async write(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    await writeAll(this.#fd, buffers, offset);
  }

  async writeDurable(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    const fd = process.platform === "linux" ? await this.#durableFd() : undefined;
    if (fd !== undefined && totalBytes(buffers) <= DSYNC_WRITE_MAX_BYTES) {
      await writeAll(fd, buffers, offset);
      return;
    }
    await writeAll(this.#fd, buffers, offset);
    // Linux tells every descriptor of a lost page, once: by its own one, no sync beside this one can have been told instead.
    await syncData(fd ?? this.#fd);
  }

  async syncData(): Promise<void> {
    await syncData(this.#fd);
  }

  async syncAll(): Promise<void> {
    await call<undefined>((done) => {
      fs.fsync(this.#fd, done);
    });
  }

  async truncate(lengthBytes: number): Promise<void> {
    await call<undefined>((done) => {
      fs.ftruncate(this.#fd, lengthBytes, done);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      const dsyncFd = await this.#dsyncFd;
      if (dsyncFd !== undefined) await close(dsyncFd);
    } finally {
      await close(this.#fd);
    }
  }

  /** Opened through the first descriptor, not by path: the file may have been renamed since. */
  #durableFd(): Promise<number | undefined> {
    if (this.#isClosed || this.#mode === "read") {
      const error: NodeJS.ErrnoException = new Error(`EBADF: bad file descriptor, ${this.path}`);
      error.code = "EBADF";
      return Promise.reject(error);
    }
    const { O_DSYNC, O_RDWR } = fs.constants;
    // Without /proc a write followed by fdatasync does the same, a little slower.
    this.#dsyncFd ??= open(`/proc/self/fd/${this.#fd}`, O_RDWR | O_DSYNC).catch(() => undefined);
    return this.#dsyncFd;
  }

  #readOnce(target: Uint8Array, at: number, length: number, offset: number): Promise<number> {
    return call<number>((done) => {
      fs.read(this.#fd, target, at, length, offset, done);
    });
  }
}

type Done<T> = (error: Error | null, result?: T) => void;

function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    start((error, result) => {
      if (error === null || error === undefined) {
        // A call without result resolves with undefined, and T is then undefined.
        resolve(result as T);
      } else {
        reject(error);
      }
    });
  });
}

function open(filePath: string, flags: number): Promise<number> {
  return call<number>((done) => {
    fs.open(filePath, flags, FILE_MODE, done);
  });
}

function syncData(fd: number): Promise<undefined> {
  return call<undefined>((done) => {
    fs.fdatasync(fd, done);
  });
}

function close(fd: number): Promise<undefined> {
  return call<undefined>((done) => {
    fs.close(fd, done);
  });
}

async function writeAll(fd: number, buffers: readonly Uint8Array[], offset: number): Promise<void> {
  let rest = buffers;
  let at = offset;
  while (rest.length > 0) {
    const written = await writeOnce(fd, rest, at);
    at += written;
    rest = withoutFirstBytes(rest, written);
  }
}

function writeOnce(fd: number, buffers: readonly Uint8Array[], offset: number): Promise<number> {
  const [first] = buffers;
  return call<number>((done) => {
    if (buffers.length === 1 && first !== undefined) {
      fs.write(fd, first, 0, first.byteLength, offset, done);
    } else {
      fs.writev(fd, buffers, offset, done);
    }
  });
}

/** What is left after a short write. */
function withoutFirstBytes(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  let index = 0;
  for (const buffer of buffers) {
    if (skip < buffer.byteLength) break;
    skip -= buffer.byteLength;
    index++;
  }
  const partial = buffers[index];
  if (partial === undefined) return [];
  return [partial.subarray(skip), ...buffers.slice(index + 1)];
}

function totalBytes(buffers: readonly Uint8Array[]): number {
  let total = 0;
  for (const buffer of buffers) total += buffer.byteLength;
  return total;
}

async function isDirectory(directory: string): Promise<boolean> {
  try {
    return (await fs.promises.stat(directory)).isDirectory();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
