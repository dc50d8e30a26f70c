/**
 * Merges small files in the background: one merge at a time, and as long a pause as each took.
 *
 * A merge that fails changes nothing; the hour is left alone until its files have changed or the process starts anew,
 * and smaller pieces are tried for its table. Rows stay what they are, duplicates included.
 */
import type { CatalogTable } from "./catalog-state.ts";
import { planCompaction, type CompactionLimits, type CompactionStep } from "./compaction-plan.ts";
import type { StoreClock, StoreTimer } from "./store-environment.ts";
import type { TableFiles } from "./table-files.ts";
import { tableKey } from "./table-name.ts";

export interface CompactorOptions {
  readonly tableFiles: TableFiles;
  readonly clock: StoreClock;
  readonly wallClockMs: () => number;
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

/** Longest pause between two merges of a run in the background, in ms. */
const MAX_PAUSE_MS = 10_000;

/** Merges small files of all tables. */
export class Compactor {
  readonly #options: CompactorOptions;
  readonly #avoided = new Set<string>();
  /** Halvings of the target by table, after failures. */
  readonly #halvings = new Map<string, number>();
  #stats: CompactionStats = { ...NOTHING, lastError: undefined };
  #timer: StoreTimer | undefined;
  #isStopped = false;
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
    return await this.#enqueue(() => this.#run({ isPaced: false }));
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
        if (this.#isStopped || (isPaced && (isBusy() || tableFiles.isTaken(table)))) break;
        const startedMs = clock.nowMs();
        if (!(await this.#compactOnce(table))) break;
        if (isPaced) await this.#pause(Math.min(clock.nowMs() - startedMs, MAX_PAUSE_MS));
      }
    }
    return difference(this.#stats, before);
  }

  /** @returns true when something was tried */
  async #compactOnce(table: CatalogTable): Promise<boolean> {
    return await this.#options.tableFiles.exclusive(table, async (current) => {
      const now = current();
      if (now === undefined) return false;
      const step = this.#plan(now);
      if (step === undefined) return false;
      try {
        await this.#merge(now, step);
      } catch (error) {
        this.#failed(now, step, error);
      }
      return true;
    });
  }

  #plan(table: CatalogTable): CompactionStep | undefined {
    const { limits, wallClockMs } = this.#options;
    const halvings = this.#halvings.get(tableKey(table)) ?? 0;
    const groups = table.groups.map(({ columns, files }) => ({
      columns,
      files: files.filter((file) => !this.#avoided.has(file.path)),
    }));
    const targetFileBytes = limits.targetFileBytes / 2 ** halvings;
    return planCompaction(groups, { ...limits, targetFileBytes }, wallClockMs());
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

  #failed(table: CatalogTable, step: CompactionStep, error: unknown): void {
    const key = tableKey(table);
    const halvings = this.#halvings.get(key) ?? 0;
    // Memory is what a merge can run out of: less at once may do. What fails even so is left alone.
    if (halvings < MAX_HALVINGS) this.#halvings.set(key, halvings + 1);
    else for (const path of step.paths) this.#avoided.add(path);
    const message = error instanceof Error ? error.message : String(error);
    this.#stats = { ...this.#stats, failures: this.#stats.failures + 1, lastError: message };
    this.#options.onError(error);
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#isStopped) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(ms, resolve);
      this.#endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

/** After so many failures of a table, files whose merge fails are left alone. */
const MAX_HALVINGS = 4;

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
