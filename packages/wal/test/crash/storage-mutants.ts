/**
 * Storages that lie to the engine, each in one way that real systems have lied: the crash explorer must catch
 * every one. What they stand for is what the engine would do if it left out, or did too early, one step.
 */

import {
  BLOCK_BYTES,
  SECTOR_BYTES,
  WrappedStorage,
  type InterceptedParts,
  type SimulatedDisk,
  type StorageCall,
  type StorageInterceptor,
} from "@walnut/testkit";
import type { Storage } from "@walnut/wal";

type Intercept = <T>(
  call: StorageCall,
  proceed: () => Promise<T>,
  parts: InterceptedParts,
) => Promise<T>;

/** One way to be wrong. */
export interface Mutant {
  readonly name: string;
  /** What it stands for. */
  readonly about: string;
  readonly intercept: Intercept;
}

/** Answers a call that has no result without letting it through. */
function skip<T>(): Promise<T> {
  // Every call that is skipped resolves with nothing.
  return Promise.resolve(undefined as T);
}

/** Lets a call through without waiting for it. */
function early<T>(proceed: () => Promise<T>): Promise<T> {
  proceed().catch(() => undefined);
  return skip<T>();
}

interface InterceptedWrite {
  readonly file: InterceptedParts["file"] | undefined;
  readonly buffers: InterceptedParts["buffers"] | undefined;
}

/** Lets a write through with other bytes or at another place. */
function rewriteWrite<T>(
  call: StorageCall,
  proceed: () => Promise<T>,
  { file, buffers }: InterceptedWrite,
  change: (bytes: Uint8Array, offset: number) => { bytes: Uint8Array; offset: number },
): Promise<T> {
  const isWrite = call.kind === "write" || call.kind === "writeDurable";
  if (!isWrite || file === undefined || buffers === undefined) return proceed();
  const { bytes, offset } = change(Buffer.concat(buffers), call.offsetBytes ?? 0);
  const changed = [bytes];
  // Both writes resolve with nothing.
  return (
    call.kind === "write" ? file.write(changed, offset) : file.writeDurable(changed, offset)
  ) as Promise<T>;
}

/** All mutants. The table in docs/testing.md lists the same names. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "skips-directory-sync",
    about: "files and renames are not made durable",
    intercept: (call, proceed) => (call.kind === "syncDirectory" ? skip() : proceed()),
  },
  {
    name: "early-directory-sync",
    about: "directory syncs are answered before they are done",
    intercept: (call, proceed) => (call.kind === "syncDirectory" ? early(proceed) : proceed()),
  },
  {
    name: "skips-data-sync",
    about: "fdatasync does nothing",
    intercept: (call, proceed) => (call.kind === "syncData" ? skip() : proceed()),
  },
  {
    name: "skips-full-sync",
    about: "fsync does nothing",
    intercept: (call, proceed) => (call.kind === "syncAll" ? skip() : proceed()),
  },
  {
    name: "early-sync",
    about: "appends are acknowledged while their sync is under way",
    intercept: (call, proceed) =>
      call.kind === "syncData" || call.kind === "syncAll" ? early(proceed) : proceed(),
  },
  {
    name: "durable-write-is-plain",
    about: "a write through to the device stays in the cache",
    intercept<T>(
      call: StorageCall,
      proceed: () => Promise<T>,
      { file, buffers }: InterceptedParts,
    ): Promise<T> {
      if (call.kind !== "writeDurable" || file === undefined) return proceed();
      // A write and a durable write both resolve with nothing.
      return file.write(buffers ?? [], call.offsetBytes ?? 0) as Promise<T>;
    },
  },
  {
    name: "durable-write-is-early",
    about: "a write through to the device is answered before it is done",
    intercept: (call, proceed) => (call.kind === "writeDurable" ? early(proceed) : proceed()),
  },
  {
    name: "write-is-early",
    about: "a write is answered before the operating system has it",
    intercept: (call, proceed) => (call.kind === "write" ? early(proceed) : proceed()),
  },
  {
    name: "rename-removes-first",
    about: "a file is replaced in two steps",
    async intercept<T>(
      call: StorageCall,
      proceed: () => Promise<T>,
      { storage }: InterceptedParts,
    ): Promise<T> {
      if (call.kind === "rename" && call.to !== undefined) {
        await storage.remove(call.to).catch(() => undefined);
      }
      return await proceed();
    },
  },
  {
    name: "rename-is-late",
    about: "a directory is synced before the rename instead of after it",
    async intercept<T>(
      call: StorageCall,
      proceed: () => Promise<T>,
      { storage }: InterceptedParts,
    ): Promise<T> {
      if (call.kind === "syncDirectory") return await skip();
      if (call.kind === "rename") {
        await storage.syncDirectory(call.path.slice(0, call.path.lastIndexOf("/")));
      }
      return await proceed();
    },
  },
  {
    name: "removes-durably-too-early",
    about: "a file is gone for good before what replaces it is there",
    async intercept<T>(
      call: StorageCall,
      proceed: () => Promise<T>,
      { storage }: InterceptedParts,
    ): Promise<T> {
      if (call.kind !== "rename" || call.to === undefined) return await proceed();
      const directory = call.to.slice(0, call.to.lastIndexOf("/"));
      const isThere = await storage.remove(call.to).then(
        () => true,
        () => false,
      );
      if (isThere) await storage.syncDirectory(directory);
      return await proceed();
    },
  },
  {
    name: "loses-the-last-byte",
    about: "a short write is not continued",
    intercept: (call, proceed, { file, buffers }) =>
      rewriteWrite(call, proceed, { file, buffers }, (bytes, offset) => ({
        bytes: bytes.subarray(0, Math.max(0, bytes.byteLength - 1)),
        offset,
      })),
  },
  {
    name: "loses-the-last-sector",
    about: "of a write, what does not fill a sector is lost",
    intercept: (call, proceed, { file, buffers }) =>
      rewriteWrite(call, proceed, { file, buffers }, (bytes, offset) => {
        const end = Math.floor((offset + bytes.byteLength) / SECTOR_BYTES) * SECTOR_BYTES;
        return { bytes: bytes.subarray(0, Math.max(0, end - offset)), offset };
      }),
  },
  {
    name: "writes-elsewhere",
    about: "a write behind the first block lands one sector further on",
    intercept: (call, proceed, { file, buffers }) =>
      rewriteWrite(call, proceed, { file, buffers }, (bytes, offset) => ({
        bytes,
        offset: offset < BLOCK_BYTES ? offset : offset + SECTOR_BYTES,
      })),
  },
  {
    name: "truncates-too-much",
    about: "a file is cut down to a whole number of sectors",
    intercept<T>(
      call: StorageCall,
      proceed: () => Promise<T>,
      { file }: InterceptedParts,
    ): Promise<T> {
      if (call.kind !== "truncate" || file === undefined) return proceed();
      const length = Math.floor((call.lengthBytes ?? 0) / SECTOR_BYTES) * SECTOR_BYTES;
      // A cut resolves with nothing.
      return file.truncate(length) as Promise<T>;
    },
  },
  {
    name: "removes-before-checkpoint",
    about: "the oldest segment goes before the checkpoint that does without it",
    async intercept<T>(
      call: StorageCall,
      proceed: () => Promise<T>,
      { storage }: InterceptedParts,
    ): Promise<T> {
      if (call.kind !== "rename" || call.to?.endsWith("/CHECKPOINT") !== true)
        return await proceed();
      // Before the checkpoint is replaced: the oldest segment goes, as if the release had begun with it.
      const directory = call.to.slice(0, call.to.lastIndexOf("/"));
      const names = await storage.listDirectory(directory);
      const [oldest] = names.filter((name) => name.endsWith(".wal")).toSorted();
      const isThere = names.includes("CHECKPOINT");
      if (oldest !== undefined && isThere) await storage.remove(`${directory}/${oldest}`);
      return await proceed();
    },
  },
];

/** Puts a mutant between the engine and the disk. */
export function mutate(mutant: Mutant): (disk: SimulatedDisk) => Storage {
  const interceptor: StorageInterceptor = { intercept: mutant.intercept };
  return (disk) => new WrappedStorage(disk, interceptor);
}
