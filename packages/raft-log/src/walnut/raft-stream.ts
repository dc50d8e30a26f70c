/**
 * One log of `@walnut/wal`, shared by all groups of a node: append, read, release.
 *
 * Groups tell from which LSN on they need the stream; the smallest of these is where its cursor stands, and whole files before it go.
 * Knows nothing of Raft's rules.
 */
import type { Cursor, Wal } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";
import type { EntryRun } from "../entry-index.ts";
import type { GroupMedium, SavedAt, SavedRecords, SaveSafety } from "../group/group-medium.ts";
import type { Entry } from "../raft-types.ts";
import { SaveEncoder } from "./save-encoder.ts";
import { decodeStreamRecord } from "./stream-record.ts";

/** Name of the log's cursor that follows the groups. */
const CURSOR_NAME = "raft";

/** Records of other groups that one read passes over rather than beginning anew behind them. */
const MAX_SKIPPED_RECORDS = 256;

export class RaftStream {
  readonly wal: Wal;
  readonly #cursor: Cursor;
  readonly #encoder = new SaveEncoder();
  #releasing: Promise<void> | undefined;

  constructor(wal: Wal) {
    this.wal = wal;
    this.#cursor = wal.cursor(CURSOR_NAME);
  }

  /** The part of the stream that is one group's. `release` is told when the group needs less. */
  ofGroup(groupId: number, release: () => Promise<void>): GroupMedium {
    return {
      backend: "walnut",
      replacesInPlace: false,
      append: (records, safety) => this.#save(groupId, records, safety),
      sync: () => this.wal.sync(),
      readEntries: (runs) => this.readEntries(groupId, runs),
      release,
    };
  }

  /**
   * Appends records as one: after a crash all of them are there or none. Copies them before it returns.
   *
   * @returns the LSN of the first; those behind it follow densely
   */
  async append(payloads: readonly Uint8Array[], safety: SaveSafety): Promise<number> {
    const options = safety === "written" ? ({ durability: "async" } as const) : undefined;
    const [only] = payloads;
    if (payloads.length === 1 && only !== undefined) return await this.wal.append(only, options);
    return (await this.wal.appendBatch(payloads, options)).firstLsn;
  }

  async #save(groupId: number, records: SavedRecords, safety: SaveSafety): Promise<SavedAt> {
    const firstLsn = await this.append(this.#encoder.save(groupId, records), safety);
    const entriesLsn = firstLsn + (records.groupState === undefined ? 0 : 1);
    return { stateLsn: firstLsn, entriesLsn };
  }

  /**
   * Reads entries of one group.
   *
   * @throws {RaftLogError} `RAFT_CORRUPT` when another record is where an entry should be
   */
  async readEntries(groupId: number, runs: readonly EntryRun[]): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const stretch of stretchesOf(runs)) await this.#readStretch(groupId, stretch, entries);
    return entries;
  }

  /** Releases what is before `neededLsn`, in the background; one release runs at a time. */
  async release(neededLsn: () => number): Promise<void> {
    while (this.#releasing !== undefined) await this.#releasing;
    const lsn = neededLsn() - 1;
    if (lsn <= this.#cursor.lsn) return;
    this.#releasing = this.#cursor.ack(lsn).finally(() => (this.#releasing = undefined));
    await this.#releasing;
  }

  async close(): Promise<void> {
    await this.#releasing?.catch(() => undefined); // Its caller was told.
    await this.wal.close();
  }

  async #readStretch(groupId: number, runs: readonly EntryRun[], entries: Entry[]): Promise<void> {
    const [first] = runs;
    const last = runs.at(-1);
    if (first === undefined || last === undefined) return;
    const range = { from: first.firstLsn, to: last.firstLsn + last.count - 1 };
    let run = 0;
    let taken = 0;
    for await (const records of this.wal.readBatches({ ...range, visibility: "written" })) {
      for (const { lsn, payload } of records) {
        const wanted = runs[run];
        if (wanted === undefined || lsn !== wanted.firstLsn + taken) continue;
        entries.push(entryOf(groupId, wanted.firstIndex + taken, lsn, payload));
        if (++taken < wanted.count) continue;
        run++;
        taken = 0;
      }
    }
    const missing = runs[run];
    if (missing !== undefined) throw notThere(groupId, missing.firstIndex + taken, range.to);
  }
}

/** Runs that are read together, because little is between them. */
function stretchesOf(runs: readonly EntryRun[]): readonly (readonly EntryRun[])[] {
  const stretches: EntryRun[][] = [];
  let nextLsn = 0;
  for (const run of runs) {
    const stretch = stretches.at(-1);
    const skipped = run.firstLsn - nextLsn;
    if (stretch !== undefined && skipped >= 0 && skipped <= MAX_SKIPPED_RECORDS) stretch.push(run);
    else stretches.push([run]);
    nextLsn = run.firstLsn + run.count;
  }
  return stretches;
}

function entryOf(groupId: number, index: number, lsn: number, payload: Uint8Array): Entry {
  let record;
  try {
    record = decodeStreamRecord(payload);
  } catch {
    throw notThere(groupId, index, lsn);
  }
  if (record.kind === "entry" && record.groupId === groupId && record.entry.index === index) {
    return record.entry;
  }
  throw notThere(groupId, index, lsn);
}

function notThere(groupId: number, index: number, lsn: number): RaftLogError {
  return new RaftLogError(
    "RAFT_CORRUPT",
    `entry ${index} of group ${groupId} is not at LSN ${lsn} of the stream, where it was written`,
    { details: { groupId, index, lsn } },
  );
}
