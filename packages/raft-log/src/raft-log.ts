/**
 * The contract of Raft storage: what every backend does, and when what it did survives.
 *
 * A log belongs to one Raft group. Calls may overlap: saves take effect in the order of the calls, and reads see what has been
 * saved when they are called. Every backend passes the suite in `contract/`.
 */
import type { ConfState, Entry, HardState, Snapshot } from "./raft-types.ts";

/** Choices for one save. */
export interface SaveOptions {
  /**
   * Whether the save must be on the device before it resolves. Default: when there are entries, or term or vote change; a mere
   * advance of `commit` is only handed to the system. `false` holds for entries alone: a changed term or vote is synced always.
   */
  readonly mustSync?: boolean | undefined;
}

/** A log about itself. Sizes in bytes. */
export interface RaftLogStatus {
  readonly backend: string;
  readonly groupId: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly hardState: HardState;
  /** Index of the newest snapshot; 0 for none. */
  readonly snapshotIndex: number;
  /** Data of the entries from `firstIndex` to `lastIndex`. */
  readonly entryBytes: number;
  /** Memory for finding entries, roughly. */
  readonly indexBytes: number;
  /** Data of entries kept in memory, and its limit, which all groups of a node share. */
  readonly cachedBytes: number;
  readonly cacheLimitBytes: number;
}

/** Durable storage of one Raft group. */
export interface RaftLog extends AsyncDisposable {
  /** Index of the first entry that can be read; one behind `lastIndex` when there is none. 1 for a new log. */
  readonly firstIndex: number;
  /** Index of the last entry, or of the snapshot or compaction when nothing follows it. 0 for a new log. */
  readonly lastIndex: number;

  /** What a node starts from: the last hard state saved, and the members as of the newest snapshot. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };

  /**
   * Keeps a hard state and entries, all of it or nothing.
   *
   * Entries follow each other. When the first is not behind the last one of the log, what was there from its index on is replaced:
   * that is how a new leader overwrites what never was committed. Entries at or below the compacted index are passed over.
   *
   * When it resolves, term and vote are on the device, and so are the entries (see {@link SaveOptions.mustSync}). When it fails,
   * saves sent behind it that stand on it fail as well.
   *
   * @param hardState - `undefined` when it has not changed
   * @throws {RaftLogError} `RAFT_OUT_OF_ORDER`: a gap, a term that goes back, a second vote in one term; nothing was written.
   *   `RAFT_CLOSED`
   * @throws {RangeError | TypeError} what is no hard state or no entry; nothing was written
   * @throws {WalError} what the log underneath says: `WAL_NO_SPACE`, `WAL_IO`, `WAL_POISONED`, …
   */
  save(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    options?: SaveOptions,
  ): Promise<void>;

  /**
   * Entries from `lo` up to but not including `hi`. Their data are views of what was read, and keep all of it (some 128 KiB a frame)
   * for as long as one is held: right for sending them on; copy what is kept longer. Do not change them.
   *
   * @param maxBytes - ends the answer before the data of its entries would exceed this; one entry is always given. Looked at
   *   before anything is read. Default: no limit
   * @throws {RaftLogError} `RAFT_COMPACTED`, `RAFT_UNAVAILABLE`, `RAFT_CORRUPT`
   */
  entries(lo: number, hi: number, maxBytes?: number): Promise<readonly Entry[]>;

  /**
   * Term of the entry at `index`; also of the one before `firstIndex`. Never touches the disk.
   *
   * @throws {RaftLogError} `RAFT_COMPACTED`, `RAFT_UNAVAILABLE`
   */
  term(index: number): number;

  /**
   * The newest snapshot that can be read, or `undefined` when none was saved. A broken one is passed over, with a warning, as long
   * as the entries behind an older one are still there.
   *
   * @throws {RaftLogError} `RAFT_CORRUPT` when no snapshot that would do can be read
   */
  snapshot(): Promise<Snapshot | undefined>;

  /**
   * Keeps a snapshot. Durable when it resolves; a crash leaves the one before or this one. When it is ahead of the log (it came
   * from a leader) or its term differs from the entry's, the log becomes empty behind it.
   *
   * @throws {RaftLogError} `RAFT_OUT_OF_ORDER` when a newer one is there
   */
  saveSnapshot(snapshot: Snapshot): Promise<void>;

  /**
   * Gives up the entries up to and including `index`. What they took is released when whole files are no longer needed.
   *
   * @throws {RaftLogError} `RAFT_UNAVAILABLE` when `index` is behind the last entry. An index already compacted is no error
   */
  compact(index: number): Promise<void>;

  /** Removes what is no longer needed: released files, snapshots beyond the number kept. */
  purge(): Promise<void>;

  status(): RaftLogStatus;

  /** Ends the log; what was saved is safe. Idempotent. */
  close(): Promise<void>;
}
