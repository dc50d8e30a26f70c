/**
 * Storages that lie to the engine, each in one way that real systems have lied: the crash explorer must catch
 * every one. What they stand for is what the engine would do if it left out, or did too early, one step.
 */

import {
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
    intercept<T>(
      call: StorageCall,
      proceed: () => Promise<T>,
      { file, buffers }: InterceptedParts,
    ): Promise<T> {
      const isWrite = call.kind === "write" || call.kind === "writeDurable";
      if (!isWrite || file === undefined || buffers === undefined) return proceed();
      const bytes = Buffer.concat(buffers);
      const short = [bytes.subarray(0, Math.max(0, bytes.byteLength - 1))];
      const offset = call.offsetBytes ?? 0;
      // Both writes resolve with nothing.
      return (
        call.kind === "write" ? file.write(short, offset) : file.writeDurable(short, offset)
      ) as Promise<T>;
    },
  },
];

/** Puts a mutant between the engine and the disk. */
export function mutate(mutant: Mutant): (disk: SimulatedDisk) => Storage {
  const interceptor: StorageInterceptor = { intercept: mutant.intercept };
  return (disk) => new WrappedStorage(disk, interceptor);
}
