/**
 * Guarded commit: appends that first ask whether there is room, by budget, by group and by the device's free bytes.
 *
 * Without room the policy decides: refuse, wait until a deadline, drop the oldest segments, or drop what comes. Those who wait are
 * served in the order in which they came, and whoever comes meanwhile waits behind them, so order is kept.
 */
import type { AckPoint } from "../commit/group-commit.ts";
import type { CapacityGroup, GroupMember } from "./capacity-group.ts";
import { DropCounter, type DropReport } from "./drop-report.ts";

/** What happens to an append when the log is full. */
export const FULL_POLICIES = ["reject", "block", "drop-oldest", "drop-newest"] as const;
export type FullPolicy = (typeof FULL_POLICIES)[number];

/** Where appends go when there is room. */
export interface CommitTarget {
  append(head: number, payload: Uint8Array, ack: AckPoint): Promise<number>;
  appendBatch(
    heads: readonly number[],
    payloads: readonly Uint8Array[],
    ack: AckPoint,
  ): Promise<{ readonly firstLsn: number; readonly lastLsn: number }>;
}

export interface GuardedCommitOptions {
  readonly commit: CommitTarget;
  /** Bytes that the log holds and those that wait to be written. */
  readonly usedBytes: () => number;
  /** Budget of this log in bytes; 0 for none. */
  readonly maxBytes: number;
  readonly group: CapacityGroup | undefined;
  readonly guaranteedBytes: number;
  /** Free bytes of the device that are left alone; 0 turns the question off. */
  readonly reserveFreeBytes: number;
  readonly freeBytes: () => Promise<number>;
  readonly policy: FullPolicy;
  readonly blockTimeoutMs: number;
  readonly setTimer: (delayMs: number, callback: () => void) => { cancel(): void };
  /** Drops the oldest closed segment, after closing the active one if there is no other; 0 when nothing could be dropped. */
  readonly dropOldest: (drops: DropCounter) => Promise<number>;
  readonly full: (neededBytes: number) => Error;
}

/** Bytes that a frame adds to a record at most, for the estimate. */
const FRAME_OVERHEAD_BYTES = 64;
const RECORD_OVERHEAD_BYTES = 4;
/** The device is asked again after so many bytes, and after so long while somebody waits. */
const FREE_BYTES_PERIOD = 4 * 1024 * 1024; // 4 MiB
const RECHECK_MS = 250;

interface Waiting {
  readonly neededBytes: number;
  readonly run: () => void;
  readonly refuse: (error: Error) => void;
  deadline: { cancel(): void } | undefined;
}

export class GuardedCommit implements CommitTarget, GroupMember {
  readonly #options: GuardedCommitOptions;
  readonly #drops = new DropCounter();
  #queue: Waiting[] = [];
  /** Device bytes above the reserve when it was last asked, less what was appended since. */
  #freeBytes: number;
  #bytesSinceAsked = 0;
  #asking: Promise<void> | undefined;
  #isDropping = false;
  #recheck: { cancel(): void } | undefined;
  #isClosed = false;

  constructor(options: GuardedCommitOptions, freeBytes: number) {
    this.#options = options;
    this.#freeBytes = freeBytes - options.reserveFreeBytes;
    options.group?.join(this);
  }

  get guaranteedBytes(): number {
    return this.#options.guaranteedBytes;
  }

  get drops(): DropReport {
    return this.#drops.report;
  }

  /** Appends that wait for room. */
  get waiting(): number {
    return this.#queue.length;
  }

  usedBytes(): number {
    return this.#options.usedBytes();
  }

  append(head: number, payload: Uint8Array, ack: AckPoint): Promise<number> {
    const neededBytes = payload.byteLength + RECORD_OVERHEAD_BYTES + FRAME_OVERHEAD_BYTES;
    const { commit } = this.#options;
    if (this.#hasRoom(neededBytes)) return commit.append(head, payload, ack);
    if (this.#options.policy === "drop-newest") return this.#dropNewest(1, payload.byteLength, 0);
    if (this.#options.policy === "reject") return Promise.reject(this.#options.full(neededBytes));
    // Whoever waits must not see what the caller does to the payload meanwhile.
    const copy = Uint8Array.from(payload);
    return this.#wait(neededBytes, () => commit.append(head, copy, ack));
  }

  appendBatch(
    heads: readonly number[],
    payloads: readonly Uint8Array[],
    ack: AckPoint,
  ): Promise<{ readonly firstLsn: number; readonly lastLsn: number }> {
    let bytes = 0;
    for (const payload of payloads) bytes += payload.byteLength;
    const neededBytes = bytes + payloads.length * RECORD_OVERHEAD_BYTES + FRAME_OVERHEAD_BYTES;
    const { commit } = this.#options;
    if (this.#hasRoom(neededBytes)) return commit.appendBatch(heads, payloads, ack);
    if (this.#options.policy === "drop-newest") {
      return this.#dropNewest(payloads.length, bytes, { firstLsn: 0, lastLsn: 0 });
    }
    if (this.#options.policy === "reject") return Promise.reject(this.#options.full(neededBytes));
    const copies = payloads.map((payload) => Uint8Array.from(payload));
    return this.#wait(neededBytes, () => commit.appendBatch(heads, copies, ack));
  }

  /** To be called when segments have gone, of this log or another of the group. */
  onSpaceFreed(): void {
    this.#askDevice();
    this.#serve();
  }

  /** To be called when segments of this log have gone. */
  released(): void {
    this.onSpaceFreed();
    this.#options.group?.spaceFreed(this);
  }

  /** Refuses everybody who waits, and leaves the group. */
  close(error: Error): void {
    this.#isClosed = true;
    this.#recheck?.cancel();
    this.#options.group?.leave(this);
    const queue = this.#queue;
    this.#queue = [];
    for (const waiting of queue) {
      waiting.deadline?.cancel();
      waiting.refuse(error);
    }
  }

  #hasRoom(neededBytes: number): boolean {
    return this.#queue.length === 0 && this.#fits(neededBytes);
  }

  #fits(neededBytes: number): boolean {
    const { maxBytes, group, reserveFreeBytes } = this.#options;
    if (maxBytes > 0 && this.usedBytes() + neededBytes > maxBytes) return false;
    if (group !== undefined && group.availableBytes(this) < neededBytes) return false;
    if (reserveFreeBytes === 0) return true;
    if (this.#freeBytes < neededBytes) {
      this.#askDevice();
      return false;
    }
    this.#freeBytes -= neededBytes;
    this.#bytesSinceAsked += neededBytes;
    if (this.#bytesSinceAsked >= FREE_BYTES_PERIOD) this.#askDevice();
    return true;
  }

  #askDevice(): void {
    const { reserveFreeBytes, freeBytes } = this.#options;
    if (reserveFreeBytes === 0 || this.#asking !== undefined || this.#isClosed) return;
    this.#bytesSinceAsked = 0;
    this.#asking = freeBytes().then(
      (bytes) => {
        this.#asking = undefined;
        this.#freeBytes = bytes - reserveFreeBytes;
        this.#serve();
      },
      () => {
        // The device does not say: the last answer holds, and a write that finds no space says so itself.
        this.#asking = undefined;
      },
    );
  }

  #dropNewest<T>(records: number, bytes: number, result: T): Promise<T> {
    this.#drops.countNewest(records, bytes);
    return Promise.resolve(result);
  }

  #wait<T>(neededBytes: number, run: () => Promise<T>): Promise<T> {
    const { policy, blockTimeoutMs, setTimer, full } = this.#options;
    return new Promise<T>((resolve, reject) => {
      const waiting: Waiting = {
        neededBytes,
        run: () => resolve(run()),
        refuse: reject,
        deadline: undefined,
      };
      if (policy === "block") {
        waiting.deadline = setTimer(blockTimeoutMs, () => {
          this.#queue = this.#queue.filter((other) => other !== waiting);
          reject(full(neededBytes));
        });
      }
      this.#queue.push(waiting);
      this.#armRecheck();
      if (policy === "drop-oldest") this.#makeRoom();
    });
  }

  /** Serves those who wait, in order, as far as there is room. */
  #serve(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      if (!this.#fits(first.neededBytes)) break;
      this.#queue.shift();
      first.deadline?.cancel();
      first.run();
    }
    if (this.#queue.length === 0) this.#recheck?.cancel();
    else if (this.#options.policy === "drop-oldest") this.#makeRoom();
  }

  /** Others may free space without telling: while somebody waits, look again now and then. */
  #armRecheck(): void {
    this.#recheck?.cancel();
    this.#recheck = this.#options.setTimer(RECHECK_MS, () => {
      this.#askDevice();
      this.#serve();
      if (this.#queue.length > 0 && !this.#isClosed) this.#armRecheck();
    });
  }

  /** Drops segments, oldest first, until the first who waits fits; refuses them all when nothing is left to drop. */
  #makeRoom(): void {
    if (this.#isDropping) return;
    this.#isDropping = true;
    void this.#dropUntilRoom().finally(() => {
      this.#isDropping = false;
    });
  }

  async #dropUntilRoom(): Promise<void> {
    while (this.#queue.length > 0 && !this.#isClosed) {
      let dropped: number;
      try {
        dropped = await this.#options.dropOldest(this.#drops);
      } catch (error) {
        this.#refuseAll(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      const before = this.#queue.length;
      this.#serve();
      if (dropped === 0 && this.#queue.length === before) {
        this.#refuseAll(this.#options.full(this.#queue[0]?.neededBytes ?? 0));
      }
    }
  }

  #refuseAll(error: Error): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const waiting of queue) waiting.refuse(error);
  }
}
