/**
 * Whether the log of a shard finds room on its device, as far as its writes have told.
 *
 * A write that was refused for want of room says that there is none; one that is taken says that there is. Between the
 * two nobody knows, and who keeps clients away until a write is taken keeps that write away as well. So a refusal counts
 * for a bounded time, and beyond it only while the device has less free than what was refused. Nothing has to be told
 * that there is room again.
 */
import { isWalError } from "@walnut/wal";

/** What is asked of the system. */
export interface LogRoomOptions {
  /** Bytes free on the log's device; `undefined` when the system does not say. */
  readonly freeBytes: () => Promise<number | undefined>;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
}

/** How long a refusal keeps new writes away, in milliseconds: as long as refused clients are asked to wait. */
export const REFUSAL_STOPS_WRITES_MS = 5_000;

/** How long a refusal is told to people, in milliseconds. */
export const REFUSAL_IS_TOLD_MS = 60_000;

const MS_PER_SECOND = 1_000;

interface Refusal {
  readonly atMs: number;
  readonly neededBytes: number;
  readonly reason: string;
}

/** What the writes of one log have met. */
export class LogRoom {
  readonly #options: LogRoomOptions;
  #refusal: Refusal | undefined;

  constructor(options: LogRoomOptions) {
    this.#options = options;
  }

  /** The log has taken a write. */
  taken(): void {
    this.#refusal = undefined;
  }

  /** The log has refused a write of this size; counts when it was for want of room. */
  refused(error: unknown, neededBytes: number): void {
    if (!isWalError(error, "WAL_NO_SPACE")) return;
    this.#refusal = { atMs: this.#options.monotonicMs(), neededBytes, reason: error.message };
  }

  /** The last refusal in words, when nothing was taken since, and it is younger than this or there is no room still. */
  async findLack(youngerThanMs: number): Promise<string | undefined> {
    const refusal = this.#refusal;
    if (refusal === undefined) return undefined;
    const ageMs = this.#options.monotonicMs() - refusal.atMs;
    if (ageMs >= youngerThanMs) {
      const freeBytes = await this.#options.freeBytes();
      if (freeBytes === undefined || freeBytes >= refusal.neededBytes) return undefined;
    }
    const ago = Math.round(ageMs / MS_PER_SECOND);
    return `the log had no room for a write of ${refusal.neededBytes} bytes, ${ago} s ago: ${refusal.reason}`;
  }
}
