/**
 * What the engine needs of an operating system: files, directories, one lock.
 *
 * This interface is the only door to the disk. `node-storage.ts` is the real one; `@walnut/testkit` has a
 * simulated disk that crashes and loses what was not synced, and wrappers that inject faults and trace
 * calls. Every implementation, and every fake, passes the same contract suite.
 *
 * The promise of each method says what survives a power loss. What it does not promise, the simulated disk
 * takes away. Every method that fails throws the system's error (with `code` such as "EIO", "ENOSPC",
 * "ENOENT") and leaves the outcome unknown: callers must not retry writes or syncs on the same file.
 */

/** A disk, seen by the engine. Paths are absolute or relative to the process, joined by {@link joinPath}. */
export interface Storage {
  /** Creates a directory and its missing parents, and syncs each parent that got a new entry. Idempotent. */
  ensureDirectory(path: string): Promise<void>;

  /** Names of the entries of a directory, in no particular order. Throws ENOENT when it is not there. */
  listDirectory(path: string): Promise<readonly string[]>;

  /**
   * Makes creations, renames and removals inside this directory durable. Until this resolves, a power loss
   * may undo any subset of them, in any order.
   */
  syncDirectory(path: string): Promise<void>;

  /** Creates a file that must not exist (EEXIST otherwise) and opens it for reading and writing. */
  createFile(path: string): Promise<StorageFile>;

  /** Opens an existing file (ENOENT otherwise). Writing to a file opened with "read" throws EBADF. */
  openFile(path: string, mode: "read" | "write"): Promise<StorageFile>;

  /** Replaces `to` (if it exists) by `from` in one step. Durable after {@link syncDirectory}. */
  rename(from: string, to: string): Promise<void>;

  /** Gives a file a second name. Absent where the storage knows no links. Durable after {@link syncDirectory}. */
  link?(from: string, to: string): Promise<void>;

  /** Removes a file. Durable after {@link syncDirectory}. Throws ENOENT when it is not there. */
  remove(path: string): Promise<void>;

  /**
   * Takes the one writer's lock on a directory, held until released or until the process dies.
   *
   * @returns the lock, or `undefined` with the owner's description when somebody else holds it
   */
  lockDirectory(path: string): Promise<DirectoryLock | DirectoryLockRefusal>;

  /** What the file or directory at `path` is stored on, and how much room there is now. Throws ENOENT. */
  describeVolume(path: string): Promise<VolumeFacts>;
}

/** A mounted file system, as far as the system tells. */
export interface VolumeFacts {
  /** Name as in `mount` ("ext4", "tmpfs", "nfs", …); "unknown" where the system does not say or we do not know it. */
  readonly type: string;
  /** Its content is gone after a restart of the host, whatever is synced; `undefined` when that cannot be told. */
  readonly isVolatile: boolean | undefined;
  /** Stored by another machine, with rules of its own for syncs, locks and renames. */
  readonly isNetwork: boolean;
  /** Bytes that this user can still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** One open file. Offsets and lengths are in bytes. */
export interface StorageFile {
  readonly path: string;

  /** Bytes the file holds now. */
  size(): Promise<number>;

  /**
   * Reads up to `length` bytes at `offset` into `target` from `targetOffset`.
   *
   * @returns the bytes read; fewer than `length` only at the end of the file
   */
  read(target: Uint8Array, targetOffset: number, length: number, offset: number): Promise<number>;

  /**
   * Writes all bytes of `buffers`, one behind the other, at `offset`; short writes are continued. After it
   * resolves a crash of the process loses nothing; a power loss may lose any sectors of it, in any order,
   * until {@link syncData} resolves.
   */
  write(buffers: readonly Uint8Array[], offset: number): Promise<void>;

  /**
   * As {@link write}, and when it resolves the bytes of *this call* are on the device, along with the
   * metadata needed to read them back. Says nothing about earlier writes.
   */
  writeDurable(buffers: readonly Uint8Array[], offset: number): Promise<void>;

  /** fdatasync: when it resolves, all earlier writes and the file's length are on the device. */
  syncData(): Promise<void>;

  /** fsync: as {@link syncData}, and all other metadata (times, mode) as well. */
  syncAll(): Promise<void>;

  /** Cuts or zero-extends the file. Durable after {@link syncData}. */
  truncate(lengthBytes: number): Promise<void>;

  /** Closes the handle. Says nothing about durability. Idempotent. */
  close(): Promise<void>;
}

/** A held lock. */
export interface DirectoryLock {
  readonly kind: "held";
  release(): Promise<void>;
}

/** Somebody else holds the lock; `owner` is for people ("process 4711 on host a, since …"). */
export interface DirectoryLockRefusal {
  readonly kind: "refused";
  readonly owner: string;
}

/** Joins path parts with a slash: storages, real and simulated, accept slashes on every platform. */
export function joinPath(directory: string, name: string): string {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}
