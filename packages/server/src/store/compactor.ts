/**
 * Merges small files in the background: one merge at a time, and as long a pause as each took.
 *
 * A merge that fails changes nothing; its table is tried again later, in smaller pieces. Rows stay what they are, duplicates included.
 */
import type { CatalogTable } from "./catalog-state.ts";
import { planCompaction, type CompactionLimits, type CompactionStep } from "./compaction-plan.ts";
import type { StoreClock, StoreTimer } from "./store-environment.ts";
import type { TableFiles } from "./table-files.ts";
import { tableKey } from "./table-name.ts";

export interface CompactorOptions {
  readonly tableFiles: TableFiles;
  readonly clock: StoreClock;
  readonly limits: CompactionLimits;
  /** Time between two looks at the tables, in ms; 0: only when asked. */
  readonly intervalMs: number;
  /** True while flushes wait: merging then would only make them wait longer. */
  readonly isBusy: () => boolean;
  readonly onError: (error: unknown) => void;
}

/** Counters of merges since the store was opened. */
export interface CompactionStats {
  readonly compactions: number;
  readonly sourceFiles: number;
  readonly sourceBytes: number;
  readonly writtenBytes: number;
  readonly rows: number;
  readonly failures: number;
  /** Message of the last failure, until a merge succeeds. */
  readonly lastError: string | undefined;
}

/** What one run did. */
export type CompactionRun = Omit<CompactionStats, "lastError">;

const NOTHING: CompactionRun = {
  compactions: 0,
  sourceFiles: 0,
  sourceBytes: 0,
  writtenBytes: 0,
  rows: 0,
  failures: 0,
};

/** A table whose merges failed. */
interface TableFailures {
  readonly count: number;
  readonly retryAtMs: number;
}

/** Memory is what a merge can run out of: after each failure of a table half as much is tried, down to a 16th. */
const MAX_HALVINGS = 4;
const MIN_RETRY_DELAY_MS = 60_000;
const MAX_RETRY_DELAY_MS = 3_600_000;

/** Longest pause between two merges of a run in the background, in ms. */
const MAX_PAUSE_MS = 10_000;

/** Merges small files of all tables. */
export class Compactor {
  readonly #options: CompactorOptions;
  readonly #failures = new Map<string, TableFailures>();
  #stats: CompactionStats = { ...NOTHING, lastError: undefined };
  #timer: StoreTimer | undefined;
  #isStopped = false;
  /** Callers of {@link compactNow} that wait. */
  #asked = 0;
  #work: Promise<unknown> = Promise.resolve();
  #endPause: () => void = () => undefined;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  get stats(): CompactionStats {
    return this.#stats;
  }

  /** Begins to look at the tables from time to time. */
  start(): void {
    const { clock, intervalMs } = this.#options;
    if (this.#isStopped || intervalMs === 0) return;
    this.#timer = clock.setTimer(intervalMs, () => {
      void this.#enqueue(() => this.#run({ isPaced: true })).then(
        () => this.start(),
        () => this.start(),
      );
    });
  }

  /** Merges all that is due now, without pauses, and says what was done. */
  async compactNow(): Promise<CompactionRun> {
    // The run in the background gives way: it waits between merges, and nobody waits for it.
    this.#asked++;
    this.#endPause();
    try {
      return await this.#enqueue(() => this.#run({ isPaced: false }));
    } finally {
      this.#asked--;
    }
  }

  /** Resolves when nothing is being merged. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Starts no more merges and waits for the one under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#endPause();
    await this.#work;
  }

  async #enqueue<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#work.then(action);
    this.#work = result.catch(() => undefined);
    return await result;
  }

  /** Never rejects for a merge that failed: that is counted and reported. */
  async #run({ isPaced }: { readonly isPaced: boolean }): Promise<CompactionRun> {
    const { tableFiles, clock, isBusy } = this.#options;
    const before = this.#stats;
    for (const table of tableFiles.tables) {
      for (;;) {
        const startedMs = clock.nowMs();
        if (this.#isStopped || (isPaced && this.#asked > 0)) break;
        if (isPaced && (isBusy() || tableFiles.isTaken(table) || this.#isResting(table))) break;
        if (!(await this.#compactOnce(table))) break;
        if (isPaced) await this.#pause(Math.min(clock.nowMs() - startedMs, MAX_PAUSE_MS));
      }
    }
    return difference(this.#stats, before);
  }

  #isResting(table: CatalogTable): boolean {
    const failures = this.#failures.get(tableKey(table));
    return failures !== undefined && this.#options.clock.nowMs() < failures.retryAtMs;
  }

  /** @returns true when something was merged */
  async #compactOnce(table: CatalogTable): Promise<boolean> {
    return await this.#options.tableFiles.exclusive(table, async (current) => {
      const now = current();
      if (now === undefined) return false;
      const step = this.#plan(now);
      if (step === undefined) return false;
      try {
        await this.#merge(now, step);
        return true;
      } catch (error) {
        this.#failed(now, error);
        return false;
      }
    });
  }

  #plan(table: CatalogTable): CompactionStep | undefined {
    const { limits, clock } = this.#options;
    const failures = this.#failures.get(tableKey(table))?.count ?? 0;
    const targetFileBytes = limits.targetFileBytes / 2 ** Math.min(failures, MAX_HALVINGS);
    return planCompaction(table.groups, { ...limits, targetFileBytes }, clock.wallClockMs());
  }

  async #merge(table: CatalogTable, step: CompactionStep): Promise<void> {
    const { tableFiles } = this.#options;
    const { columns, file } = await tableFiles.rewrite(table.schema, step.groups);
    if (file === undefined) throw new Error(`${step.paths.join(", ")} have no rows`);
    await tableFiles.exchange(table, { removed: step.paths, added: [{ columns, files: [file] }] });
    this.#stats = {
      compactions: this.#stats.compactions + 1,
      sourceFiles: this.#stats.sourceFiles + step.paths.length,
      sourceBytes: this.#stats.sourceBytes + step.bytes,
      writtenBytes: this.#stats.writtenBytes + file.bytes,
      rows: this.#stats.rows + file.rows,
      failures: this.#stats.failures,
      lastError: undefined,
    };
  }

  #failed(table: CatalogTable, error: unknown): void {
    const key = tableKey(table);
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const delayMs = Math.min(MIN_RETRY_DELAY_MS * 2 ** (count - 1), MAX_RETRY_DELAY_MS);
    this.#failures.set(key, { count, retryAtMs: this.#options.clock.nowMs() + delayMs });
    const message = error instanceof Error ? error.message : String(error);
    this.#stats = { ...this.#stats, failures: this.#stats.failures + 1, lastError: message };
    this.#options.onError(error);
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#isStopped || this.#asked > 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(ms, resolve);
      this.#endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

function difference(after: CompactionStats, before: CompactionStats): CompactionRun {
  return {
    compactions: after.compactions - before.compactions,
    sourceFiles: after.sourceFiles - before.sourceFiles,
    sourceBytes: after.sourceBytes - before.sourceBytes,
    writtenBytes: after.writtenBytes - before.writtenBytes,
    rows: after.rows - before.rows,
    failures: after.failures - before.failures,
  };
}
