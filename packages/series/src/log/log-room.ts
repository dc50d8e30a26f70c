/**
 * Whether there is room for points, and how a region is given up when there is none.
 *
 * What frees space comes first: a release takes the room of the reserve where the disk has no other, and is not asked about the budget;
 * points wait until both are kept again. So a store that is full can always flush and release.
 */
import { isWalError, WalError, type Wal } from "@walnut/wal";
import type { FileWriter } from "./file-writer.ts";
import type { Region } from "./region.ts";
import type { Reserve } from "./reserve.ts";

export interface LogRoomOptions {
  readonly wal: Wal;
  readonly files: FileWriter;
  readonly reserve: Reserve;
  /** Bytes that the log may hold; 0 for no limit. */
  readonly maxLogBytes: number;
  /** Settles when the points under way are in the log or have failed. */
  readonly drained: () => Promise<void>;
}

export class LogRoom {
  readonly #options: LogRoomOptions;
  #logBytes = 0;
  /** A region did not fit a second time, and nothing has gone since. */
  #isTooFullToCarry = false;

  constructor(options: LogRoomOptions) {
    this.#options = options;
    this.look();
  }

  /** To be called when the log may have become larger or smaller. */
  look(): void {
    const { wal, maxLogBytes } = this.#options;
    if (maxLogBytes > 0) this.#logBytes = wal.metrics().sizeBytes;
  }

  /** Why no more points can be taken; `undefined` when they can. */
  refusal(waitingBytes: number): WalError | undefined {
    const { reserve, maxLogBytes } = this.#options;
    if (reserve.isLent) {
      reserve.keepSoon();
      return new WalError(
        "WAL_NO_SPACE",
        "the disk is full; flush and release memtables (status().regions begins with the one that holds most), writing resumes by itself",
      );
    }
    const logBytes = this.#logBytes;
    if (maxLogBytes === 0 || logBytes + waitingBytes <= maxLogBytes) return undefined;
    return new WalError(
      "WAL_NO_SPACE",
      `the log holds ${logBytes} bytes, ${waitingBytes} wait, and maxLogBytes is ${maxLogBytes}; flush and release memtables, status().regions begins with the one that holds most`,
      { details: { logBytes, waitingBytes, maxLogBytes } },
    );
  }

  /** Whether the points of a region may be written a second time, so that files before them can go. */
  canCarry(bytes: number): boolean {
    return !this.#isTooFullToCarry && this.refusal(bytes) === undefined;
  }

  /**
   * The disk had no room for a region that was to be carried. Until files have gone it is not tried again: each attempt reads a whole
   * memtable, and makes the log begin a file behind it.
   */
  hadNoneToCarry(): void {
    this.#isTooFullToCarry = true;
  }

  /** Makes the release of a region durable, on a full disk with the room of the reserve. */
  async giveUp(region: Region): Promise<void> {
    const { files, reserve, drained } = this.#options;
    try {
      await files.appendReleased(region);
    } catch (error) {
      if (!isWalError(error, "WAL_NO_SPACE")) throw error;
      reserve.hold();
      await drained();
      await reserve.lend();
      await files.appendReleased(region);
    }
  }

  /** To be called when files may have gone. */
  async regain(): Promise<void> {
    this.#isTooFullToCarry = false;
    this.look();
    if (this.#options.reserve.isLent) await this.#options.reserve.keep();
  }
}
