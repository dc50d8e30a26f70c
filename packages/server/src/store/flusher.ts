/**
 * Decides when memtables are flushed, and carries the flushes through.
 *
 * A memtable is frozen when it has enough rows or its first row is old enough. Tables with frozen memtables
 * wait in a queue; a few flush at once, one flush per table at a time, so that commits of a table are in LSN
 * order. When a table has fallen behind, one flush takes several of its memtables. A flush that fails leaves
 * its rows where they are, visible and in the log, and is tried again later with new files: the pause
 * doubles up to a minute. Nothing is dropped and nothing is acknowledged before the catalog has it.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { ServerError } from "../errors.ts";
import type { TableBatch } from "../ingest/table-batch.ts";
import type { Catalog } from "./catalog.ts";
import type { FlushRecord } from "./catalog-record.ts";
import { writeHourFiles, type FlushTarget } from "./flush.ts";
import type { Memtable } from "./memtable.ts";
import { RowBuffer, type RowSet } from "./row-buffer.ts";
import type { SchemaRegistry } from "./schema-registry.ts";
import type { StoreClock, StoreTimer } from "./store-environment.ts";
import type { TableState } from "./table-state.ts";

export interface FlusherOptions {
  readonly catalog: Catalog;
  readonly registry: SchemaRegistry;
  readonly target: FlushTarget;
  readonly clock: StoreClock;
  readonly flushRows: number;
  readonly flushAgeMs: number;
  /** What {@link FlushRecord.flushedLsn} will be once the given table has no rows up to `lastLsn`. */
  readonly flushedLsnAfter: (table: TableState, lastLsn: number) => number;
  /** Makes the log durable up to an LSN: a flush must not be known to more than its log remembers. */
  readonly makeLogDurable: (lsn: number) => Promise<void>;
  /** Called in the step in which a flush became visible. */
  readonly onCommitted: () => void;
  /** Called after a reload of the catalog: memtables that turned out to be flushed must go. */
  readonly onReloaded: () => void;
  readonly onError: (error: unknown) => void;
}

/** Counters of flushes since the store was opened. */
export interface FlushStats {
  readonly flushes: number;
  readonly flushedRows: number;
  readonly flushedFiles: number;
  readonly flushedBytes: number;
  readonly failures: number;
  /** Message of the last failure, until a flush of the same table succeeds. */
  readonly lastError: string | undefined;
}

const CONCURRENT_FLUSHES = 2;
/** Rows that one flush takes when several memtables wait: bounds its memory and its files. */
const MAX_ROWS_PER_FLUSH = 250_000;
const MIN_RETRY_DELAY_MS = 250;
const MAX_RETRY_DELAY_MS = 60_000;

interface TableWork {
  readonly table: TableState;
  ageTimer: StoreTimer | undefined;
  retryTimer: StoreTimer | undefined;
  failures: number;
  isQueued: boolean;
  isRunning: boolean;
  /** Who waits for this table to be flushed up to an LSN. */
  waiters: readonly FlushWaiter[];
}

interface FlushWaiter {
  readonly lsn: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Flushes memtables of all tables. */
export class Flusher {
  readonly #options: FlusherOptions;
  readonly #work = new Map<string, TableWork>();
  readonly #queue: TableWork[] = [];
  #running = 0;
  #attempts = 0;
  #isStopped = false;
  #idleWaiters: (() => void)[] = [];
  #failedTable: TableWork | undefined;
  #stats: FlushStats = {
    flushes: 0,
    flushedRows: 0,
    flushedFiles: 0,
    flushedBytes: 0,
    failures: 0,
    lastError: undefined,
  };

  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  get stats(): FlushStats {
    return this.#stats;
  }

  /** Adds rows to a table and freezes its memtable when that is due. */
  insert(table: TableState, lsn: number, batch: TableBatch): void {
    const { clock, flushRows, flushAgeMs } = this.#options;
    const memtable = table.insert(lsn, batch, clock.nowMs());
    if (memtable.rowCount >= flushRows) {
      this.#freeze(this.#workOf(table));
      return;
    }
    const work = this.#workOf(table);
    work.ageTimer ??= clock.setTimer(flushAgeMs, () => this.#freeze(work));
  }

  /** Flushes every row that is in memory now. Rejects with the first failure of any table. */
  async flushAll(tables: Iterable<TableState>): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const table of tables) {
      const work = this.#workOf(table);
      this.#freeze(work);
      const last = table.frozen.at(-1);
      if (last === undefined) continue;
      waits.push(
        new Promise((resolve, reject) => {
          work.waiters = [...work.waiters, { lsn: last.lastLsn, resolve, reject }];
        }),
      );
      // Somebody waits: a table that was pausing after a failure is tried at once.
      this.#enqueue(work);
    }
    const results = await Promise.allSettled(waits);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Starts no more flushes and waits for those under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#queue.length = 0;
    for (const work of this.#work.values()) {
      work.ageTimer?.cancel();
      work.retryTimer?.cancel();
    }
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    for (const work of this.#work.values()) {
      const waiters = work.waiters;
      work.waiters = [];
      const closed = new ServerError("SERVER_NOT_READY", "the table store is closing");
      for (const waiter of waiters) waiter.reject(closed);
    }
  }

  #workOf(table: TableState): TableWork {
    let work = this.#work.get(table.key);
    if (work === undefined) {
      work = {
        table,
        ageTimer: undefined,
        retryTimer: undefined,
        failures: 0,
        isQueued: false,
        isRunning: false,
        waiters: [],
      };
      this.#work.set(table.key, work);
    }
    return work;
  }

  #freeze(work: TableWork): void {
    work.ageTimer?.cancel();
    work.ageTimer = undefined;
    work.table.freeze();
    // A table that failed waits for its timer: more rows are no reason to try sooner.
    if (work.retryTimer === undefined) this.#enqueue(work);
  }

  #enqueue(work: TableWork): void {
    work.retryTimer?.cancel();
    work.retryTimer = undefined;
    if (work.isQueued || work.isRunning || this.#isStopped || work.table.frozen.length === 0)
      return;
    work.isQueued = true;
    this.#queue.push(work);
    this.#startMore();
  }

  #startMore(): void {
    while (this.#running < CONCURRENT_FLUSHES) {
      const work = this.#queue.shift();
      if (work === undefined) return;
      work.isQueued = false;
      work.isRunning = true;
      this.#running++;
      void this.#run(work);
    }
  }

  /** Never rejects: outcomes go to the waiters, the counters and `onError`. */
  async #run(work: TableWork): Promise<void> {
    try {
      await this.#flushOnce(work.table);
      this.#succeeded(work);
    } catch (error) {
      this.#failed(work, error);
    }
    work.isRunning = false;
    this.#running--;
    if (work.failures === 0) this.#enqueue(work);
    this.#startMore();
    if (this.#running > 0) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  async #flushOnce(table: TableState): Promise<void> {
    const { catalog, registry, target } = this.#options;
    // A commit that failed may be durable all the same. That must be known before files are written
    // again: they would replace files that a record describes.
    if (catalog.needsReload) await catalog.reload(this.#options.onReloaded);
    const memtables = takeMemtables(table.frozen);
    const [first, last] = [memtables[0], memtables.at(-1)];
    if (first === undefined || last === undefined) return;
    const range = { firstLsn: first.firstLsn, lastLsn: last.lastLsn };
    const rows = await copyRows(memtables);
    // The writer takes the arrays: what is said about them is read before.
    const { rowCount } = rows;
    const columns = rows.columns.map((column) => column.name);
    const attempt = ++this.#attempts;
    const files = await writeHourFiles(target, { table, rows, attempt, ...range });
    await this.#options.makeLogDurable(range.lastLsn);
    // 5. The record. CRASH: flush-5 leaves files with or without their record, see flush-4 and flush-6.
    await catalog.commit(
      (): FlushRecord => ({
        version: 1,
        kind: "flush",
        database: table.database,
        measurement: table.measurement,
        ...range,
        flushedLsn: this.#options.flushedLsnAfter(table, range.lastLsn),
        schema: registry.schema(table.key),
        columns,
        files,
      }),
      () => {
        // 6. Files for rows, in one step: no query sees both or neither. CRASH: flush-6, the record is
        //    durable; replay skips rows up to its LSN.
        table.dropFlushed(range.lastLsn);
        this.#stats = {
          ...this.#stats,
          flushes: this.#stats.flushes + 1,
          flushedRows: this.#stats.flushedRows + rowCount,
          flushedFiles: this.#stats.flushedFiles + files.length,
          flushedBytes: this.#stats.flushedBytes + files.reduce((sum, file) => sum + file.bytes, 0),
        };
        // 7. Now the log may forget. CRASH: flush-7, as flush-6.
        this.#options.onCommitted();
      },
    );
  }

  #succeeded(work: TableWork): void {
    work.failures = 0;
    if (this.#failedTable === work) {
      this.#failedTable = undefined;
      this.#stats = { ...this.#stats, lastError: undefined };
    }
    const firstUnflushed = work.table.frozen[0]?.firstLsn ?? Infinity;
    const done = work.waiters.filter((waiter) => waiter.lsn < firstUnflushed);
    work.waiters = work.waiters.filter((waiter) => waiter.lsn >= firstUnflushed);
    for (const waiter of done) waiter.resolve();
  }

  #failed(work: TableWork, error: unknown): void {
    work.failures++;
    this.#failedTable = work;
    const message = error instanceof Error ? error.message : String(error);
    this.#stats = { ...this.#stats, failures: this.#stats.failures + 1, lastError: message };
    this.#options.target.directories.forget();
    const waiters = work.waiters;
    work.waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    if (!this.#isStopped) {
      const delayMs = Math.min(MIN_RETRY_DELAY_MS * 2 ** (work.failures - 1), MAX_RETRY_DELAY_MS);
      work.retryTimer = this.#options.clock.setTimer(delayMs, () => this.#enqueue(work));
    }
    this.#options.onError(error);
  }
}

/** The oldest memtables, as many as one flush takes; at least one. */
function takeMemtables(frozen: readonly Memtable[]): readonly Memtable[] {
  let rowCount = 0;
  let count = 0;
  for (const memtable of frozen) {
    if (count > 0 && rowCount + memtable.rowCount > MAX_ROWS_PER_FLUSH) break;
    rowCount += memtable.rowCount;
    count++;
  }
  return frozen.slice(0, count);
}

/**
 * A copy of all rows of frozen memtables, for the writer to keep: queries go on with the memtables' own.
 * Lets the process breathe between two of them: each may take some ms.
 */
async function copyRows(memtables: readonly Memtable[]): Promise<RowSet> {
  const copy = new RowBuffer();
  copy.reserve(memtables.reduce((total, memtable) => total + memtable.rowCount, 0));
  for (const [index, memtable] of memtables.entries()) {
    if (index > 0) await nextTurn();
    for (const part of memtable.parts()) copy.append(part);
  }
  return copy.rowSet();
}
