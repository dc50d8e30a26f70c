/**
 * A table in memory: the memtable that takes rows and those that wait to be flushed.
 *
 * Plain state with its invariants, no I/O and no timers. Memtables are ordered by LSN: every row of a frozen
 * one is older in the log than every row of a later one and of the active one.
 */
import type { TableBatch } from "../ingest/table-batch.ts";
import { Memtable } from "./memtable.ts";
import type { RowSet } from "./row-buffer.ts";
import { tableKey, type TableName } from "./table-name.ts";

/** What all tables of a store hold in memory together. */
export interface BufferedTotals {
  rows: number;
  bytes: number;
}

/** Memtables of one table. */
export class TableState implements TableName {
  readonly database: string;
  readonly measurement: string;
  readonly key: string;
  readonly #totals: BufferedTotals;
  #active: Memtable | undefined;
  #frozen: readonly Memtable[] = [];

  /** @param totals - shared by all tables of a store, kept up to date by each */
  constructor(name: TableName, totals: BufferedTotals) {
    this.database = name.database;
    this.measurement = name.measurement;
    this.key = tableKey(name);
    this.#totals = totals;
  }

  get active(): Memtable | undefined {
    return this.#active;
  }

  /** Memtables that wait for a flush, oldest first. Replaced, never changed. */
  get frozen(): readonly Memtable[] {
    return this.#frozen;
  }

  /** Lowest LSN with rows that are not in Parquet, or `undefined` when all are. */
  get firstUnflushedLsn(): number | undefined {
    return this.#frozen[0]?.firstLsn ?? this.#active?.firstLsn;
  }

  /** As {@link firstUnflushedLsn}, once the memtables up to `lastLsn` are gone. */
  firstLsnAfter(lastLsn: number): number | undefined {
    return this.memtables.find((memtable) => memtable.lastLsn > lastLsn)?.firstLsn;
  }

  get memtables(): readonly Memtable[] {
    return this.#active === undefined ? this.#frozen : [...this.#frozen, this.#active];
  }

  /**
   * Adds rows to the active memtable.
   *
   * @returns the memtable that took them
   */
  insert(lsn: number, batch: TableBatch, nowMs: number): Memtable {
    this.#active ??= new Memtable({ firstLsn: lsn, createdAtMs: nowMs });
    this.#totals.bytes += this.#active.insert(lsn, batch);
    this.#totals.rows += batch.rowCount;
    return this.#active;
  }

  /** Freezes the active memtable, if there is one: it takes no more rows and can be flushed. */
  freeze(): void {
    if (this.#active === undefined) return;
    this.#frozen = [...this.#frozen, this.#active];
    this.#active = undefined;
  }

  /** Drops frozen memtables whose rows are in Parquet, those up to `lastLsn`. */
  dropFlushed(lastLsn: number): void {
    const kept: Memtable[] = [];
    for (const memtable of this.#frozen) {
      if (memtable.lastLsn > lastLsn) {
        kept.push(memtable);
        continue;
      }
      this.#totals.bytes -= memtable.bytes;
      this.#totals.rows -= memtable.rowCount;
    }
    this.#frozen = kept;
  }

  /** Snapshot of all rows in memory, for queries: one set per memtable that has rows. */
  rowSets(): readonly RowSet[] {
    return this.memtables.map((memtable) => memtable.rowSet());
  }
}
