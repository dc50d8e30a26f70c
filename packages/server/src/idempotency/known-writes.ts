/**
 * Which writes are known: those that are stored, for as long as the window says, and those under way.
 *
 * One table for the whole server, whichever process a request arrives at. It decides, and nothing else: what is
 * durable is in the logs, from where the table is filled at start-up. A write that is under way belongs to the
 * worker that does it; when that dies, its writes stay undecided until its recovery has said what it found.
 */
import type { ResolvedServerOptions } from "../server-options.ts";
import type { WriteIdentity } from "./write-identity.ts";

/** How long a retry waits for the first try that is still under way, in milliseconds. */
const MAX_WAIT_FOR_TWIN_MS = 5_000;

/** How full the table is. */
export interface WriteCounts {
  /** Names remembered. */
  readonly remembered: number;
  /** Names forgotten before the window was over, for want of room. */
  readonly evicted: number;
}

/** What is to be done with a request. */
export type WriteVerdict =
  /** Do it; then say how it ended. */
  | "new"
  /** It is stored: answer as the first time. */
  | "repeated"
  /** The same identity was used for another request. */
  | "different"
  /** A newer epoch of the producer has written. */
  | "fenced"
  /** The producer has gone on: a seq below its last cannot be told from one that was never sent. */
  | "passed"
  /** The same request, or another of its producer, is still under way. */
  | "busy";

/** The table as one worker sees it. */
export interface WriteLedger {
  /** Decides about a write; waits a bounded time for one of the same name that is under way. */
  reserveWrite(identity: WriteIdentity): Promise<WriteVerdict>;
  /** A reserved write is stored. */
  completeWrite(identity: WriteIdentity): void;
  /** A reserved write is certainly not stored: the next try is new. */
  abandonWrite(identity: WriteIdentity): void;
  /** What recovery of this worker's shards found. Everything that it had under way before is decided by that. */
  reportWrites(identities: readonly WriteIdentity[]): Promise<void>;
  /** A part of what {@link reportWrites} will complete: a message between processes should not hold all of it. */
  reportSomeWrites(identities: readonly WriteIdentity[]): Promise<void>;
  countWrites(): Promise<WriteCounts>;
}

/** What the table needs. */
export interface KnownWritesOptions {
  /** How long a stored write is remembered, in milliseconds. */
  readonly windowMs: number;
  /** Names remembered at one time; beyond it the oldest go early, and are counted. */
  readonly maxKeys: number;
  /** Longest wait for a write that is under way, in milliseconds. */
  readonly maxWaitMs: number;
  /** Wall clock in milliseconds. */
  readonly nowMs: () => number;
  /** Workers that have to say what their recovery found before anything can be decided: 1 to this number. */
  readonly workers: number;
}

type Known = Omit<WriteIdentity, "name">;

interface Pending {
  readonly identity: WriteIdentity;
  readonly worker: number;
  readonly settled: Promise<void>;
  readonly settle: () => void;
}

/** The table of a server with this many workers, empty. */
export function openKnownWrites(options: ResolvedServerOptions, workers: number): KnownWrites {
  return new KnownWrites({
    windowMs: options.idempotencyWindowMs,
    maxKeys: options.idempotencyMaxKeys,
    maxWaitMs: MAX_WAIT_FOR_TWIN_MS,
    nowMs: () => Date.now(),
    workers,
  });
}

/** The table. */
export class KnownWrites {
  readonly #options: KnownWritesOptions;
  /** By name, in the order in which they were stored. */
  readonly #known = new Map<string, Known>();
  readonly #pending = new Map<string, Pending>();
  readonly #unrecovered: Set<number>;
  /** How often each worker has said what its recovery found: a new process each time. */
  readonly #reports = new Map<number, number>();
  #evicted = 0;

  constructor(options: KnownWritesOptions) {
    this.#options = options;
    this.#unrecovered = new Set(Array.from({ length: options.workers }, (_, index) => index + 1));
  }

  get counts(): WriteCounts {
    return { remembered: this.#known.size, evicted: this.#evicted };
  }

  /** The table as the worker with this number sees it. */
  ledger(worker: number): WriteLedger {
    return {
      reserveWrite: (identity) => this.#reserve(identity, worker),
      completeWrite: (identity) => {
        this.#remember(identity);
        this.#settle(identity.name);
      },
      abandonWrite: (identity) => this.#settle(identity.name),
      reportWrites: (identities) => Promise.resolve(this.#report(identities, worker)),
      reportSomeWrites: (identities) => Promise.resolve(this.#add(identities)),
      countWrites: () => Promise.resolve(this.counts),
    };
  }

  async #reserve(identity: WriteIdentity, worker: number): Promise<WriteVerdict> {
    const { name } = identity;
    // The record of the first try may be in a log that has not been read yet.
    if (this.#unrecovered.size > 0) return "busy";
    const deadlineMs = performance.now() + this.#options.maxWaitMs;
    const reports = this.#reports.get(worker);
    for (;;) {
      // The process that asked died while it waited: what it reserved now, nobody would ever complete or abandon.
      if (this.#reports.get(worker) !== reports) return "busy";
      const pending = this.#pending.get(name);
      if (pending === undefined) {
        this.#forgetOld();
        const verdict = decideWrite(this.#known.get(name), identity);
        if (verdict === "new") this.#pending.set(name, newPending(identity, worker));
        return verdict;
      }
      // Two different requests under one identity: no outcome of the first makes the second right.
      if (decideWrite(pending.identity, identity) === "different") return "different";
      const remainingMs = deadlineMs - performance.now();
      if (remainingMs <= 0 || !(await settledWithin(pending.settled, remainingMs))) return "busy";
    }
  }

  #add(identities: readonly WriteIdentity[]): void {
    for (const identity of identities) {
      // Several workers may know one producer: the furthest counts.
      if (decideWrite(this.#known.get(identity.name), identity) === "new") this.#remember(identity);
    }
  }

  #report(identities: readonly WriteIdentity[], worker: number): void {
    this.#add(identities);
    for (const pending of this.#pending.values()) {
      if (pending.worker === worker) this.#settle(pending.identity.name);
    }
    this.#reports.set(worker, (this.#reports.get(worker) ?? 0) + 1);
    this.#unrecovered.delete(worker);
  }

  #remember({ name, epoch, seq, digest, acceptedAtMs }: WriteIdentity): void {
    this.#known.delete(name); // To the end of the order.
    this.#known.set(name, { epoch, seq, digest, acceptedAtMs });
    this.#forgetOld();
  }

  #settle(name: string): void {
    this.#pending.get(name)?.settle();
    this.#pending.delete(name);
  }

  #forgetOld(): void {
    const { windowMs, maxKeys, nowMs } = this.#options;
    const oldestMs = nowMs() - windowMs;
    for (const [name, { acceptedAtMs }] of this.#known) {
      if (acceptedAtMs >= oldestMs) {
        if (this.#known.size <= maxKeys) return;
        this.#evicted++;
      }
      this.#known.delete(name);
    }
  }
}

/** What a request is, beside what is known of its name. */
export function decideWrite(
  known: Known | undefined,
  wanted: WriteIdentity,
): Exclude<WriteVerdict, "busy"> {
  if (known === undefined || wanted.epoch > known.epoch) return "new";
  if (wanted.epoch < known.epoch) return "fenced";
  if (wanted.seq > known.seq) return "new";
  if (wanted.seq < known.seq) return "passed";
  return wanted.digest === known.digest ? "repeated" : "different";
}

function newPending(identity: WriteIdentity, worker: number): Pending {
  let settle = (): void => {};
  const settled = new Promise<void>((resolve) => (settle = resolve));
  return { identity, worker, settled, settle };
}

/** True when it settled in time. */
async function settledWithin(settled: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const isSettled = await Promise.race([settled.then(() => true), limit]);
  clearTimeout(timer);
  return isSettled;
}
