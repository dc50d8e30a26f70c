/**
 * Retention: from time to time, and when asked, files go whose newest row is older than the rules allow.
 *
 * Only the wall clock is compared with the times of rows, and only as far as it can be trusted (trusted-clock.ts): a row
 * with a time in the future deletes nothing. Rules are read anew each time; while they cannot be read, nothing goes.
 */
import type { ExpiredFiles } from "../store/file-expiry.ts";
import type { TableStore } from "../store/table-store.ts";
import { describeTable } from "../store/table-name.ts";
import type { RetentionDirectory } from "./retention-directory.ts";
import { cutoffNs, keepDaysOf } from "./retention-rules.ts";
import { advanceClock, deletionTimeMs, type TrustedClock } from "./trusted-clock.ts";

export interface RetentionOptions {
  readonly directory: RetentionDirectory;
  readonly worker: number;
  readonly defaultDays: number;
  /** Time between two looks, in ms. */
  readonly intervalMs: number;
  readonly stores: () => readonly TableStore[];
  readonly wallClockMs: () => number;
  readonly monotonicMs: () => number;
  readonly logger: {
    info(text: string): void;
    warn(text: string): void;
    error(text: string): void;
  };
}

/** One table of which something is too old. */
export interface ExpiredTable extends ExpiredFiles {
  readonly database: string;
  readonly measurement: string;
  readonly keep_days: number;
}

/** What one look found. */
export interface RetentionRun {
  readonly dry_run: boolean;
  /** Time that rows were compared with, and what the wall clock said. */
  readonly deletion_time: string;
  readonly wall_clock: string;
  /** True while the wall clock is ahead of what can be believed. */
  readonly is_clock_doubted: boolean;
  readonly tables: readonly ExpiredTable[];
}

/** Counters since the start. */
export interface RetentionStats {
  readonly runs: number;
  readonly failures: number;
  readonly expiredFiles: number;
  readonly expiredRows: number;
  readonly expiredBytes: number;
}

/** Looks for rows that are too old. */
export class Retention {
  readonly #options: RetentionOptions;
  #clock: TrustedClock | undefined;
  #isClockRead = false;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<unknown> = Promise.resolve();
  #stats = { runs: 0, failures: 0, expiredFiles: 0, expiredRows: 0, expiredBytes: 0 };

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  get stats(): RetentionStats {
    return { ...this.#stats };
  }

  /** Begins to look from time to time; not at once: a start is no time for deletions. */
  start(): void {
    this.#timer = setInterval(() => {
      this.run().catch((error: unknown) => {
        this.#options.logger.error(
          `retention failed: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
    }, this.#options.intervalMs);
    this.#timer.unref();
  }

  /** Starts no more looks and waits for the one under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#work;
  }

  /**
   * Looks once. Looks take turns.
   *
   * @throws {ServerError} `SERVER_RETENTION_UNAVAILABLE`: nothing was removed
   */
  async run(
    options: { readonly isDryRun?: boolean; readonly trustsClock?: boolean } = {},
  ): Promise<RetentionRun> {
    const result = this.#work.then(() => this.#run(options));
    this.#work = result.catch(() => undefined);
    try {
      return await result;
    } catch (error) {
      this.#stats.failures++;
      throw error;
    }
  }

  async #run({
    isDryRun = false,
    trustsClock = false,
  }: {
    readonly isDryRun?: boolean;
    readonly trustsClock?: boolean;
  }): Promise<RetentionRun> {
    const { directory, defaultDays, stores, wallClockMs } = this.#options;
    const rules = await directory.readRules();
    const wallMs = wallClockMs();
    const clock = await this.#look(wallMs, { trustsClock, isDryRun });
    const timeMs = deletionTimeMs(clock, wallMs);
    const tables: ExpiredTable[] = [];
    for (const store of stores()) {
      for (const { database, measurement } of store.stats().tables) {
        const keepDays = keepDaysOf({ database, measurement }, rules, defaultDays);
        if (keepDays === undefined) continue;
        const table = { database, measurement };
        const limit = { cutoffNs: cutoffNs(timeMs, keepDays), isDryRun };
        const expired = await store.dataLife.expire(table, limit);
        if (expired.files === 0) continue;
        tables.push({ ...table, keep_days: keepDays, ...expired });
        if (!isDryRun) this.#count(table, expired);
      }
    }
    this.#stats.runs++;
    return {
      dry_run: isDryRun,
      deletion_time: new Date(timeMs).toISOString(),
      wall_clock: new Date(wallMs).toISOString(),
      is_clock_doubted: clock.leap !== undefined,
      tables,
    };
  }

  /** What can be believed now. Remembered durably before anything is deleted by it. */
  async #look(
    wallMs: number,
    { trustsClock, isDryRun }: { readonly trustsClock: boolean; readonly isDryRun: boolean },
  ): Promise<TrustedClock> {
    const { directory, worker, monotonicMs, logger } = this.#options;
    if (!this.#isClockRead) {
      const believedMs = await directory.readClock(worker);
      if (believedMs !== undefined) this.#clock = { believedMs, leap: undefined };
      this.#isClockRead = true;
    }
    const now = { wallMs, monotonicMs: monotonicMs() };
    const clock = advanceClock(trustsClock ? undefined : this.#clock, now);
    if (clock.leap !== undefined && this.#clock?.leap === undefined) {
      logger.warn(
        `the clock says ${new Date(wallMs).toISOString()}, more than a day after ` +
          `${new Date(clock.believedMs).toISOString()}, when retention looked last; it is believed after a day, or at ` +
          "once by POST /api/v1/retention/run?trust_clock=true",
      );
    }
    if (isDryRun) return clock;
    if (clock.believedMs !== this.#clock?.believedMs) {
      await directory.writeClock(worker, clock.believedMs);
    }
    this.#clock = clock;
    return clock;
  }

  #count(
    table: { readonly database: string; readonly measurement: string },
    expired: ExpiredFiles,
  ): void {
    this.#stats.expiredFiles += expired.files;
    this.#stats.expiredRows += expired.rows;
    this.#stats.expiredBytes += expired.bytes;
    const { files, rows } = expired;
    this.#options.logger.info(
      `${describeTable(table)}: ${files} files with ${rows} rows were too old`,
    );
  }
}
