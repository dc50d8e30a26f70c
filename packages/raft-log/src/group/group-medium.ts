/**
 * The contract between the log of one group and what keeps its records: a stream that all groups share, or a store of keys.
 */
import type { EntryRun } from "../entry-index.ts";
import type { RaftBackend } from "../raft-log-options.ts";
import type { GroupStateRecord } from "../walnut/stream-record.ts";
import type { Entry, HardState } from "../raft-types.ts";

/** When records must be safe: on the device, or handed to the system. */
export type SaveSafety = "synced" | "written";

/** What is kept as one: all of it or nothing. It takes effect in this order. */
export interface SavedRecords {
  readonly groupState: GroupStateRecord | undefined;
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
}

/** Where records went: LSNs of a stream, or whatever a medium finds them by. They ascend, from 1. */
export interface SavedAt {
  readonly stateLsn: number;
  /** Of the first entry; those behind it follow densely. */
  readonly entriesLsn: number;
}

/** Keeps the records of one group. */
export interface GroupMedium {
  readonly backend: RaftBackend;
  /**
   * An entry takes the place of the one it replaces: reads must not run beside a save that replaces. False where all that was
   * written stays until it is released.
   */
  readonly replacesInPlace: boolean;
  /**
   * Keeps records. Calls take effect in their order; copies before it returns.
   *
   * @throws {WalError} `WAL_NO_SPACE`, `WAL_IO`, `WAL_POISONED`, …
   */
  append(records: SavedRecords, safety: SaveSafety): Promise<SavedAt>;
  /** Resolves when everything that was appended is on the device. @throws as {@link append} */
  sync(): Promise<void>;
  /** @throws {RaftLogError} `RAFT_CORRUPT` when something else is where an entry should be */
  readEntries(runs: readonly EntryRun[]): Promise<Entry[]>;
  /** Gives back the room of what the group no longer needs. */
  release(): Promise<void>;
}
