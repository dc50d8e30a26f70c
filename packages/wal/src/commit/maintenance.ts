/**
 * What a log does by itself, by timer: sync within an interval, vouch for the last group and give memory back when idle, close old
 * segments.
 *
 * Timers are armed by appends, so a log that is not used costs nothing. Tasks run between groups; a failure of one poisons the
 * log, which is where it is seen. Knows only functions that it is given.
 */

export interface MaintenanceTasks {
  /** Makes everything written durable. */
  sync(): Promise<void>;
  /** Writes a frame that vouches for the last group. */
  attest(): Promise<void>;
  /** Closes the active segment. */
  rotate(): Promise<void>;
  /** Age of the active segment in milliseconds, `undefined` when there is nothing to close. */
  activeAgeMs(): number | undefined;
}

/** A timer that has been set. */
export interface ArmedTimer {
  cancel(): void;
}

export interface MaintenanceOptions {
  readonly tasks: MaintenanceTasks;
  /** Gives back memory that only a busy log needs. */
  readonly idle: () => void;
  readonly setTimer: (delayMs: number, callback: () => void) => ArmedTimer;
  /** Runs a task between groups; see `GroupCommit.exclusive`. */
  readonly exclusive: (task: () => Promise<void>) => Promise<void>;
  readonly attestDelayMs: number;
  readonly segmentMaxAgeMs: number;
  readonly syncIntervalMs: number;
  readonly syncIntervalBytes: number;
}

export class Maintenance {
  readonly #options: MaintenanceOptions;
  #attestTimer: ArmedTimer | undefined;
  #ageTimer: ArmedTimer | undefined;
  #syncTimer: ArmedTimer | undefined;
  #appends = 0;
  /** Appends when the attest timer last looked; the same number a delay later means idle. */
  #appendsSeen = 0;
  #unsyncedBytes = 0;
  #isStopped = false;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /**
   * To be called with every append.
   *
   * @param needsInterval - the append asked for a sync within the interval
   */
  onAppend(bytes: number, needsInterval: boolean): void {
    const { attestDelayMs, segmentMaxAgeMs } = this.#options;
    this.#appends++;
    if (this.#attestTimer === undefined && attestDelayMs > 0) {
      this.#attestTimer = this.#arm(attestDelayMs, () => this.#attestWhenIdle());
    }
    if (this.#ageTimer === undefined && segmentMaxAgeMs > 0) {
      this.#ageTimer = this.#arm(segmentMaxAgeMs, () => this.#rotateWhenOld());
    }
    if (needsInterval) this.#armSync(bytes);
  }

  /** To be called when everything written has become durable by other means. */
  onSynced(): void {
    this.#unsyncedBytes = 0;
  }

  /** Cancels all timers; nothing is started any more. */
  stop(): void {
    this.#isStopped = true;
    this.#attestTimer?.cancel();
    this.#ageTimer?.cancel();
    this.#syncTimer?.cancel();
  }

  /** A sync is due N ms after the first append that has none, or after M bytes. */
  #armSync(bytes: number): void {
    const { syncIntervalMs, syncIntervalBytes, tasks } = this.#options;
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes >= syncIntervalBytes) {
      this.#unsyncedBytes = 0;
      this.#run(() => tasks.sync());
    }
    // At half the interval, so that the sync has ended within it even on a slow device.
    this.#syncTimer ??= this.#arm(Math.max(1, syncIntervalMs / 2), () => {
      this.#syncTimer = undefined;
      this.#unsyncedBytes = 0;
      this.#run(() => tasks.sync());
    });
  }

  #attestWhenIdle(): void {
    const { attestDelayMs, tasks, idle } = this.#options;
    if (this.#appendsSeen === this.#appends) {
      this.#attestTimer = undefined;
      // Behind the last group: none of its memory is in use any more.
      this.#run(async () => {
        await tasks.attest();
        idle();
      });
      return;
    }
    this.#appendsSeen = this.#appends;
    this.#attestTimer = this.#arm(attestDelayMs, () => this.#attestWhenIdle());
  }

  #rotateWhenOld(): void {
    const { segmentMaxAgeMs, tasks } = this.#options;
    this.#ageTimer = undefined;
    const ageMs = tasks.activeAgeMs();
    if (ageMs === undefined) return;
    const leftMs = segmentMaxAgeMs - ageMs;
    if (leftMs > 0) this.#ageTimer = this.#arm(leftMs, () => this.#rotateWhenOld());
    else this.#run(() => tasks.rotate());
  }

  #arm(delayMs: number, callback: () => void): ArmedTimer {
    return this.#options.setTimer(delayMs, () => {
      if (!this.#isStopped) callback();
    });
  }

  #run(task: () => Promise<void>): void {
    // Nobody waits for it; its failure poisons the log, and every later append says so.
    this.#options.exclusive(task).catch(() => undefined);
  }
}
