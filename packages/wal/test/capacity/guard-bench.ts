/**
 * A guard in front of a commit that only counts: how much is used, free and droppable is what a test says.
 */
import { VirtualClock } from "@walnut/testkit";
import { WalError } from "@walnut/wal";
import type { CapacityGroup } from "@walnut/wal";
import { GuardedCommit, type GuardedCommitOptions } from "../../src/capacity/guarded-commit.ts";

/** Bytes that a record of the bench needs by the guard's estimate. */
export function neededBytes(payloadBytes: number): number {
  return payloadBytes + 68;
}

export type BenchOptions = Partial<
  Pick<
    GuardedCommitOptions,
    | "maxBytes"
    | "group"
    | "guaranteedBytes"
    | "reserveFreeBytes"
    | "policy"
    | "blockTimeoutMs"
    | "emptyBytes"
    | "maxWaitingBytes"
  >
> & {
  readonly clock?: VirtualClock;
  readonly deviceFreeBytes?: number;
  readonly group?: CapacityGroup;
};

export class GuardBench {
  readonly clock: VirtualClock;
  readonly guard: GuardedCommit;
  /** Payloads in the order in which they reached the commit. */
  readonly taken: Uint8Array[] = [];
  used = 0;
  pending = 0;
  deviceFree: number;
  deviceQuestions = 0;
  deviceFails = false;
  failure: Error | undefined;
  /** Bytes of segments that can be dropped, oldest first. */
  droppable: number[] = [];
  /** Bytes that a reclaim frees. */
  reclaimable = 0;
  reclaims = 0;
  drops = 0;
  #answers: (() => void)[] = [];
  /** Device questions wait for {@link answer}. */
  isDeviceSlow = false;

  constructor(options: BenchOptions = {}) {
    this.clock = options.clock ?? new VirtualClock();
    this.deviceFree = options.deviceFreeBytes ?? 0;
    this.guard = new GuardedCommit(
      {
        commit: {
          append: (_head, payload) => this.#take([payload]),
          appendBatch: async (_heads, payloads) => {
            const lastLsn = await this.#take(payloads);
            return { firstLsn: lastLsn - payloads.length + 1, lastLsn };
          },
        },
        usedBytes: () => this.used,
        pendingBytes: () => this.pending,
        emptyBytes: options.emptyBytes ?? 0,
        failure: () => this.failure,
        maxBytes: options.maxBytes ?? 0,
        group: options.group,
        guaranteedBytes: options.guaranteedBytes ?? 0,
        reserveFreeBytes: options.reserveFreeBytes ?? 0,
        freeBytes: () => this.#askDevice(),
        policy: options.policy ?? "reject",
        blockTimeoutMs: options.blockTimeoutMs ?? 1000,
        maxWaitingBytes: options.maxWaitingBytes ?? 1_000_000,
        setTimer: (delayMs, callback) => this.clock.setTimer(delayMs, callback),
        reclaim: () => this.#reclaim(),
        dropOldest: (counter) => {
          const bytes = this.droppable.shift();
          if (bytes === undefined) return Promise.resolve(false);
          this.drops++;
          this.used -= bytes;
          this.deviceFree += bytes;
          counter.countOldest({
            firstLsn: this.drops,
            lastLsn: this.drops,
            bytes,
            timeMs: 0,
            cursors: [],
          });
          return Promise.resolve(true);
        },
        full: () => new WalError("WAL_NO_SPACE", "full"),
        tooLarge: () => new WalError("WAL_RECORD_TOO_LARGE", "never fits"),
        overloaded: () => new WalError("WAL_OVERLOADED", "too many wait"),
      },
      this.deviceFree,
    );
  }

  append(payloadBytes: number, fill = 0): Promise<number> {
    return this.guard.append(0, new Uint8Array(payloadBytes).fill(fill), "durable");
  }

  /** First bytes of the payloads that were taken. */
  get order(): number[] {
    return this.taken.map((payload) => payload[0] ?? 0);
  }

  /** Space goes, and the guard hears of it. */
  free(bytes: number): void {
    this.used -= bytes;
    void this.guard.released();
  }

  /** Lets the device answer what it was asked. */
  answer(): void {
    const answers = this.#answers;
    this.#answers = [];
    for (const answer of answers) answer();
  }

  #take(payloads: readonly Uint8Array[]): Promise<number> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    for (const payload of payloads) {
      this.taken.push(payload);
      this.used += neededBytes(payload.byteLength);
    }
    return Promise.resolve(this.taken.length);
  }

  async #reclaim(): Promise<void> {
    this.reclaims++;
    const bytes = this.reclaimable;
    this.reclaimable = 0;
    await Promise.resolve();
    if (bytes > 0) this.free(bytes);
  }

  async #askDevice(): Promise<number> {
    this.deviceQuestions++;
    if (this.isDeviceSlow) {
      await new Promise<void>((resolve) => {
        this.#answers.push(resolve);
      });
    }
    if (this.deviceFails) throw new Error("EIO");
    return this.deviceFree;
  }
}

/** What has become of a promise. */
export interface Watched<T> {
  state: "pending" | "resolved" | "rejected";
  value?: T;
  code?: string | undefined;
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { state: "pending" };
  promise.then(
    (value) => Object.assign(watched, { state: "resolved", value }),
    (error: unknown) => {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      Object.assign(watched, { state: "rejected", code });
    },
  );
  return watched;
}
