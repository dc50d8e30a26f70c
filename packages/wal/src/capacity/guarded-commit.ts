/**
 * Guarded commit: appends that first ask whether there is room, by budget, by group and by the device's free bytes.
 *
 * Without room the policy decides: refuse, wait until a deadline, drop the oldest segments, or drop what comes. Those who wait are
 * served in the order in which they came, and whoever comes meanwhile waits behind them, so order is kept. What would not fit into
 * an empty log is refused at once, whatever the policy. See docs/capacity.md.
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
  /** Those of them that wait to be written: the device does not know of them yet. */
  readonly pendingBytes: () => number;
  /** Bytes that an empty log holds. */
  readonly emptyBytes: number;
  /** What later appends get once the log has failed. */
  readonly failure: () => Error | undefined;
  /** Budget of this log in bytes; 0 for none. */
  readonly maxBytes: number;
  readonly group: CapacityGroup | undefined;
  readonly guaranteedBytes: number;
  /** Free bytes of the device that are left alone; 0 turns the question off. */
  readonly reserveFreeBytes: number;
  readonly freeBytes: () => Promise<number>;
  readonly policy: FullPolicy;
  readonly blockTimeoutMs: number;
  /** Bytes of payloads that may wait for room. */
  readonly maxWaitingBytes: number;
  readonly setTimer: (delayMs: number, callback: () => void) => { cancel(): void };
  /** Releases what all cursors have passed, the active segment included. */
  readonly reclaim: () => Promise<void>;
  /** Drops the oldest closed segment, after closing the active one if there is no other; false when there is none. */
  readonly dropOldest: (drops: DropCounter) => Promise<boolean>;
  readonly full: (neededBytes: number) => Error;
  /** For what would not even fit into an empty log. */
  readonly tooLarge: (neededBytes: number, limitBytes: number) => Error;
  /** When more would wait than may. */
  readonly overloaded: (waitingBytes: number) => Error;
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
  #isMakingRoom = false;
  #recheck: { cancel(): void } | undefined;
  #isClosed = false;

  /** @throws `WAL_INVALID_OPTION` when the group cannot guarantee what is asked of it */
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
    if (this.#isAdmitted(neededBytes)) return commit.append(head, payload, ack);
    const refusal = this.#refusal(neededBytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#options.policy === "drop-newest") return this.#dropNewest(1, payload.byteLength, 0);
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
    if (this.#isAdmitted(neededBytes)) return commit.appendBatch(heads, payloads, ack);
    const refusal = this.#refusal(neededBytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#options.policy === "drop-newest") {
      return this.#dropNewest(payloads.length, bytes, { firstLsn: 0, lastLsn: 0 });
    }
    const copies = payloads.map((payload) => Uint8Array.from(payload));
    return this.#wait(neededBytes, () => commit.appendBatch(heads, copies, ack));
  }

  /** To be called when segments have gone, of this log or another of the group. */
  onSpaceFreed(): void {
    void this.#noteFreed();
  }

  /** To be called when another log of the group has no room: what nobody needs of this one can go. */
  onSpaceWanted(): void {
    this.#makeRoom();
  }

  /** To be called when segments of this log have gone. When it resolves, what has become free is to be had. */
  async released(): Promise<void> {
    this.#options.group?.spaceFreed(this);
    await this.#noteFreed();
  }

  /** Refuses everybody who waits, and leaves the group. */
  close(error: Error): void {
    this.#isClosed = true;
    this.#stopRecheck();
    this.#options.group?.leave(this);
    this.#refuseAll(error);
  }

  /** True when an append can go straight on; a log that has failed says so itself. */
  #isAdmitted(neededBytes: number): boolean {
    if (this.#queue.length > 0) return false;
    return this.#options.failure() !== undefined || this.#fits(neededBytes);
  }

  /** Why an append without room is refused at once; `undefined` when the policy has another answer. */
  #refusal(neededBytes: number): Error | undefined {
    const { policy, full, tooLarge, overloaded, maxWaitingBytes } = this.#options;
    const limitBytes = this.#limitBytes;
    // Neither waiting nor dropping would ever help, and both would harm others.
    if (neededBytes > limitBytes) return tooLarge(neededBytes, limitBytes);
    if (policy === "block" || policy === "drop-oldest") {
      const waitingBytes = this.#queue.reduce((sum, waiting) => sum + waiting.neededBytes, 0);
      const isTooMuch = this.#queue.length > 0 && waitingBytes + neededBytes > maxWaitingBytes;
      return isTooMuch ? overloaded(waitingBytes) : undefined;
    }
    // For those who come later.
    this.#wantRoom();
    return policy === "reject" ? full(neededBytes) : undefined;
  }

  /** What an empty log could take. */
  get #limitBytes(): number {
    const { maxBytes, group, emptyBytes } = this.#options;
    const ownBytes = maxBytes === 0 ? Number.MAX_SAFE_INTEGER : maxBytes;
    return Math.min(ownBytes, group?.limitBytes(this) ?? ownBytes) - emptyBytes;
  }

  #fits(neededBytes: number): boolean {
    const { maxBytes, group, reserveFreeBytes } = this.#options;
    if (maxBytes > 0 && this.usedBytes() + neededBytes > maxBytes) return false;
    if (group !== undefined && group.availableBytes(this) < neededBytes) return false;
    if (reserveFreeBytes === 0) return true;
    if (this.#freeBytes < neededBytes) return false;
    this.#freeBytes -= neededBytes;
    this.#bytesSinceAsked += neededBytes;
    if (this.#bytesSinceAsked >= FREE_BYTES_PERIOD) void this.#askDevice();
    return true;
  }

  async #noteFreed(): Promise<void> {
    this.#serve();
    await this.#askAgain();
    this.#serve();
  }

  /** Resolves when the device has answered a question that was asked after this call. */
  async #askAgain(): Promise<void> {
    await this.#asking;
    await this.#askDevice();
  }

  /** One question at a time; never rejects. */
  #askDevice(): Promise<void> {
    const { reserveFreeBytes, freeBytes, pendingBytes } = this.#options;
    if (reserveFreeBytes === 0 || this.#isClosed) return Promise.resolve();
    this.#bytesSinceAsked = 0;
    this.#asking ??= freeBytes().then(
      (bytes) => {
        this.#asking = undefined;
        this.#freeBytes = bytes - reserveFreeBytes - pendingBytes();
      },
      () => {
        // The device does not say: the last answer holds, and a write that finds no space says so itself.
        this.#asking = undefined;
      },
    );
    return this.#asking;
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
          // Those behind it may need less.
          this.#serve();
        });
      }
      this.#queue.push(waiting);
      this.#armRecheck();
      this.#wantRoom();
    });
  }

  /** Serves those who wait, in order, as far as there is room. */
  #serve(): void {
    const failure = this.#options.failure();
    if (failure !== undefined) this.#refuseAll(failure);
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      if (!this.#fits(first.neededBytes)) break;
      this.#queue.shift();
      first.deadline?.cancel();
      first.run();
    }
    if (this.#queue.length === 0) this.#stopRecheck();
  }

  /** Others may free space without telling: while somebody waits, look again now and then. */
  #armRecheck(): void {
    this.#recheck ??= this.#options.setTimer(RECHECK_MS, () => {
      this.#recheck = undefined;
      this.#serve();
      if (this.#queue.length === 0 || this.#isClosed) return;
      this.#wantRoom();
      this.#armRecheck();
    });
  }

  #stopRecheck(): void {
    this.#recheck?.cancel();
    this.#recheck = undefined;
  }

  /** Makes room here, and has the others of the group do so. */
  #wantRoom(): void {
    this.#makeRoom();
    this.#options.group?.spaceWanted(this);
  }

  #makeRoom(): void {
    if (this.#isMakingRoom || this.#isClosed) return;
    this.#isMakingRoom = true;
    void this.#findRoom();
  }

  /** First what costs nothing: a fresh look at the device, segments that nobody needs. Then what the policy gives up. */
  async #findRoom(): Promise<void> {
    const { policy, reclaim } = this.#options;
    try {
      await this.#askAgain();
      this.#serve();
      await reclaim();
      await this.#askAgain();
      this.#serve();
      if (policy === "drop-oldest") await this.#dropUntilRoom();
    } catch (error) {
      this.#refuseAll(error instanceof Error ? error : new Error(String(error)));
    }
    this.#isMakingRoom = false;
    // Whoever came after the last look at the queue has found the flag up.
    if (policy === "drop-oldest" && this.#queue.length > 0) this.#makeRoom();
  }

  /** Drops segments, oldest first, until nobody waits; refuses whoever does not fit when nothing is left to drop. */
  async #dropUntilRoom(): Promise<void> {
    const { dropOldest, full } = this.#options;
    while (this.#queue.length > 0 && !this.#isClosed) {
      const hasDropped = await dropOldest(this.#drops);
      await this.#askAgain();
      const before = this.#queue.length;
      this.#serve();
      if (hasDropped || this.#queue.length < before) continue;
      const first = this.#queue.shift();
      first?.refuse(full(first.neededBytes));
    }
  }

  #refuseAll(error: Error): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const waiting of queue) {
      waiting.deadline?.cancel();
      waiting.refuse(error);
    }
  }
}
