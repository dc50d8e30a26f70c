/**
 * The store of keys that the `level` backend stands on: what it needs of one, and the one it opens by itself.
 *
 * Any store of the abstract-level family will do that keeps its order by bytes, applies a batch as one, and reads from a snapshot.
 * Whether `sync` reaches the device is the store's word: docs/raft-log.md says what was measured.
 */
import type { ClassicLevel } from "classic-level";
import { joinPath, WalError, type Storage } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";

/** One change of a batch. */
export type LevelOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** From `gte` up to but not including `lt`, keys and values as bytes. */
export interface LevelRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly keyEncoding: "view";
  readonly valueEncoding: "view";
  /** Bytes that are taken from the store at once; stores that do not know it pass over it. */
  readonly highWaterMarkBytes?: number;
}

/** Walks a range as it was when the iterator was made. */
export interface LevelIterator {
  /** Up to `size` pairs; none at the end. */
  nextv(size: number): Promise<readonly (readonly [Uint8Array, Uint8Array])[]>;
  close(): Promise<void>;
}

/** What is used of an abstract-level store. Written down here, so that nobody needs its types who does not use it. */
export interface LevelStore {
  /** What abstract-level 3 calls `implicitSnapshots` was `snapshots` before. */
  readonly supports: {
    readonly implicitSnapshots?: boolean;
    readonly snapshots?: boolean;
    readonly permanence?: boolean;
  };
  open(): Promise<void>;
  close(): Promise<void>;
  batch(
    operations: LevelOperation[],
    options: {
      readonly sync: boolean;
      readonly keyEncoding: "view";
      readonly valueEncoding: "view";
    },
  ): Promise<void>;
  iterator(range: LevelRange): LevelIterator;
  clear(range: Pick<LevelRange, "gte" | "lt" | "keyEncoding">): Promise<void>;
}

/** A store that is open, and how to let go of it. */
export interface OpenLevel {
  readonly store: LevelStore;
  /** Closes a store that was opened here, and leaves alone one that was handed in. */
  readonly close: () => Promise<void>;
}

/**
 * Takes the store that was handed in.
 *
 * @throws {RaftLogError} `RAFT_INVALID_OPTION` when it cannot do what is needed
 */
export async function useLevel(
  store: LevelStore,
  onWarning: (message: string) => void,
): Promise<OpenLevel> {
  const { implicitSnapshots, snapshots } = store.supports;
  if (implicitSnapshots !== true && snapshots !== true) {
    throw new RaftLogError(
      "RAFT_INVALID_OPTION",
      "option level is a store whose iterators do not read from a snapshot: a read beside a save could mix old and new entries; " +
        "use one that does, such as classic-level",
      { details: { option: "level" } },
    );
  }
  if (store.supports.permanence === false) {
    onWarning("option level is a store in memory: nothing survives the process. For tests only");
  }
  await translated("the store handed in as option level", () => store.open());
  return { store, close: async () => undefined };
}

/**
 * Opens a classic-level store (LevelDB) on the disk. Durable: its directory is known to the one above.
 *
 * @throws {RaftLogError} `RAFT_INVALID_OPTION` when classic-level is not installed, `RAFT_CORRUPT`
 * @throws {WalError} `WAL_LOCKED`, `WAL_IO`
 */
export async function openClassicLevel(storage: Storage, walDirectory: string): Promise<OpenLevel> {
  const Level = await importClassicLevel();
  await storage.ensureDirectory(walDirectory);
  const path = joinPath(walDirectory, "level");
  const store: LevelStore = new Level<Uint8Array, Uint8Array>(path, {
    keyEncoding: "view",
    valueEncoding: "view",
  });
  await translated(path, () => store.open());
  // LevelDB syncs its files and its own directory; that the directory exists is for us to make sure.
  await storage.syncDirectory(walDirectory);
  return { store, close: () => translated(path, () => store.close()) };
}

/** Errors of a store in the words of this package. */
export async function translated<T>(where: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw translate(where, cause);
  }
}

async function importClassicLevel(): Promise<typeof ClassicLevel> {
  try {
    return (await import("classic-level")).ClassicLevel;
  } catch (cause) {
    throw new RaftLogError(
      "RAFT_INVALID_OPTION",
      'backend "level" needs the package classic-level, which cannot be loaded: install it (npm install classic-level), ' +
        "or hand in an abstract-level store as option level",
      { details: { option: "backend", package: "classic-level" }, cause },
    );
  }
}

function translate(where: string, cause: unknown): unknown {
  const reasons = reasonsOf(cause);
  const text = reasons.map(({ message }) => message).join(": ");
  const has = (code: string): boolean =>
    reasons.some((error) => "code" in error && error.code === code);
  if (has("LEVEL_LOCKED")) {
    return new WalError("WAL_LOCKED", `${where} is open in another process`, {
      details: { path: where },
      cause,
    });
  }
  if (has("LEVEL_CORRUPTION")) {
    return new RaftLogError("RAFT_CORRUPT", `${where} is damaged: ${text}`, {
      details: { path: where },
      cause,
    });
  }
  const code = /no space left|ENOSPC/i.test(text) ? "WAL_NO_SPACE" : "WAL_IO";
  return new WalError(code, `${where}: ${text}`, { details: { path: where }, cause });
}

/** An error and what caused it: stores wrap the reason. */
function reasonsOf(error: unknown): readonly Error[] {
  const reasons: Error[] = [];
  for (let next = error; next instanceof Error; next = next.cause) reasons.push(next);
  return reasons;
}
