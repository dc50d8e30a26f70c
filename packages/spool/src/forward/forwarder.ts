/**
 * A forwarder: a spool whose items go upstream by themselves. Composition, pause and drain, dead letters, status.
 */
import { joinPath, nodeEnvironment, type WalEnvironment } from "@walnut/wal";
import { SpoolError } from "../errors.ts";
import { openSpoolWith } from "../open-spool.ts";
import { resolveSpoolOptions } from "../options.ts";
import type { PutOptions, PutResult } from "../spool-category.ts";
import type { Spool } from "../spool.ts";
import { verdictOf } from "./answer-verdict.ts";
import { CategoryShipper, type ShipBells } from "./category-shipper.ts";
import { openDeadLetters, type DeadLetter, type DeadLetters } from "./dead-letters.ts";
import { forwarderStatus, type ForwarderStatus } from "./forwarder-status.ts";
import {
  resolveForwarderOptions,
  type ForwarderOptions,
  type ResolvedForwarderOptions,
} from "./forwarder-options.ts";
import { RateMeter } from "./rate-meter.ts";
import { openShipJournal, type ShipJournal } from "./ship-journal.ts";
import type { ForwardNotice } from "./ship-notices.ts";
import {
  assertSendable,
  assertUpstreamUrl,
  openUpstream,
  type Upstream,
  type UpstreamRequest,
} from "./upstream.ts";
import { Wakeup } from "./wakeup.ts";
import { WorkerSlots } from "./worker-slots.ts";

/** Directory inside the spool's, beside those of the categories, whose names begin with no dot. */
const OWN_DIRECTORY = ".forward";
/** At least: what is released at a time is a part of what dead letters may take. */
const SEGMENTS_OF_LETTERS = 4;

/** How sending a dead letter again ended. */
export interface RedriveResult {
  readonly id: number;
  readonly isStored: boolean;
  /** What the upstream said, or why it said nothing. */
  readonly answer: string;
}

/**
 * Opens a spool and begins to ship. A batch that was under way when the process ended is sent first, as it was.
 *
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`, `SPOOL_CORRUPT`; {@link WalError} as `openSpool`
 */
export async function openForwarder(options: ForwarderOptions): Promise<Forwarder> {
  checkForwarderOptions(options); // Before anything is made.
  const environment = nodeEnvironment();
  const spool = await openSpoolWith(environment, options.spool);
  const opened: { close(): Promise<void> }[] = [spool];
  try {
    const resolved = resolveForwarderOptions(options, spool.options);
    const { protocol, encoding, requestTimeoutMs, workers } = resolved;
    const { to, bucket, org, token, ca } = options;
    const upstream = await openUpstream({
      url: to,
      protocol,
      bucket,
      org,
      token,
      ca,
      encoding,
      timeoutMs: requestTimeoutMs,
      maxConnections: workers,
    });
    const own = joinPath(options.spool.directory, OWN_DIRECTORY);
    const journal = await openShipJournal(environment, joinPath(own, "journal"));
    opened.push(journal);
    const deadLetters = await openDeadLetters(environment, {
      directory: joinPath(own, "dead-letters"),
      maxBytes: resolved.maxDeadLetterBytes,
      segmentSizeBytes: Math.min(
        spool.options.segmentSizeBytes,
        Math.floor(resolved.maxDeadLetterBytes / SEGMENTS_OF_LETTERS),
      ),
      group: spool.group,
    });
    const parts = { environment, spool, journal, deadLetters, upstream };
    const tell = options.onNotice ?? ((): void => {});
    return new Forwarder(to, resolved, { ...parts, tell });
  } catch (error) {
    await Promise.allSettled(opened.map((one) => one.close()));
    throw error;
  }
}

/**
 * Refuses options that {@link openForwarder} would refuse, and makes nothing.
 *
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`
 */
export function checkForwarderOptions(options: ForwarderOptions): void {
  assertUpstreamUrl(options.to);
  resolveForwarderOptions(options, resolveSpoolOptions(options.spool, 0));
}

interface ForwarderParts {
  readonly environment: WalEnvironment;
  readonly spool: Spool;
  readonly journal: ShipJournal;
  readonly deadLetters: DeadLetters;
  readonly upstream: Upstream;
  readonly tell: (notice: ForwardNotice) => void;
}

/** A forwarder that is running. */
export class Forwarder {
  readonly spool: Spool;
  /** Largest item that could become a dead letter. */
  readonly maxItemBytes: number;
  readonly #to: string;
  readonly #parts: ForwarderParts;
  readonly #stop = new AbortController();
  readonly #bells: ShipBells;
  readonly #shippers: readonly CategoryShipper[];
  /** How many items come in, by category. */
  readonly #putRates: ReadonlyMap<string, RateMeter>;
  readonly #running: Promise<unknown>;
  #isPaused = false;
  #drains = 0;
  #closing: Promise<void> | undefined;

  /** @internal use {@link openForwarder} */
  constructor(to: string, options: ResolvedForwarderOptions, parts: ForwarderParts) {
    const { environment, spool } = parts;
    this.spool = spool;
    this.maxItemBytes = Math.min(
      spool.options.maxItemBytes,
      Math.floor(options.maxDeadLetterBytes / 2),
    );
    this.#to = to;
    this.#parts = parts;
    this.#bells = {
      back: new Wakeup(environment),
      hurry: new Wakeup(environment),
      empty: new Wakeup(environment),
    };
    const { maxBatchItems, maxBatchBytes, lingerMs } = options;
    const shared = {
      ...parts,
      slots: new WorkerSlots(options.workers),
      bells: this.#bells,
      limits: {
        maxBatchItems,
        maxBatchBytes,
        lingerMs,
        retry: { firstDelayMs: options.retryFirstDelayMs, maxDelayMs: options.retryMaxDelayMs },
        ackBytes: spool.options.segmentSizeBytes,
      },
      stop: this.#stop.signal,
      isPaused: () => this.#isPaused,
      isDraining: () => this.#drains > 0,
    };
    this.#shippers = spool.categoryNames.map(
      (name) => new CategoryShipper(spool.category(name), shared),
    );
    this.#putRates = new Map(spool.categoryNames.map((name) => [name, new RateMeter()]));
    this.#running = Promise.all(this.#shippers.map((shipper) => shipper.run()));
  }

  /**
   * Spools an item; see `Spool.put`. It goes upstream by itself.
   *
   * @throws {SpoolError} `SPOOL_ITEM_TOO_LARGE` also when it could not be kept as a dead letter; `SPOOL_INVALID_REQUEST` when its type
   *   is nothing that a request can have
   */
  async put(category: string, payload: Uint8Array, options?: PutOptions): Promise<PutResult> {
    if (payload.byteLength > this.maxItemBytes) {
      throw new SpoolError(
        "SPOOL_ITEM_TOO_LARGE",
        `an item of ${payload.byteLength} bytes; at most ${this.maxItemBytes} are taken`,
        { details: { bytes: payload.byteLength, maxBytes: this.maxItemBytes } },
      );
    }
    assertSendable(options?.attributes ?? {});
    const result = await this.spool.put(category, payload, options);
    const isTaken = result.lsn > 0;
    if (isTaken) this.#putRates.get(category)?.add(1, this.#parts.environment.monotonicMs());
    return result;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Sends no further request; items are taken as before. Lasts until {@link resume} or the end of the process. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#bells.back.ring();
  }

  /**
   * Ships without waiting for fuller requests or pauses, until nothing is left or the time is over. Resumes first.
   *
   * @returns items that are left
   */
  async drain(limitMs: number): Promise<number> {
    const { environment } = this.#parts;
    const deadlineMs = environment.monotonicMs() + limitMs;
    this.#drains += 1;
    this.resume();
    this.#bells.hurry.ring();
    try {
      for (;;) {
        const left = this.depth;
        const leftMs = deadlineMs - environment.monotonicMs();
        if (left === 0 || leftMs <= 0 || this.#stop.signal.aborted) return left;
        await this.#bells.empty.wait(leftMs);
      }
    } finally {
      this.#drains -= 1;
    }
  }

  /** Items that are not shipped. */
  get depth(): number {
    return this.#shippers.reduce((sum, shipper) => sum + shipper.depth, 0);
  }

  async status(): Promise<ForwarderStatus> {
    const monotonicMs = this.#parts.environment.monotonicMs();
    return await forwarderStatus({
      to: this.#to,
      isPaused: this.#isPaused,
      spool: this.spool,
      shippers: this.#shippers,
      deadLetters: this.#parts.deadLetters,
      putItemsPerSecond: (category) => this.#putRates.get(category)?.perSecond(monotonicMs) ?? 0,
      nowMs: this.#parts.environment.nowMs(),
    });
  }

  /** Requests that the upstream refused, oldest first. */
  deadLetters(): readonly DeadLetter[] {
    return this.#parts.deadLetters.list();
  }

  /**
   * The request of a dead letter, with its body.
   *
   * @throws {SpoolError} `SPOOL_NOT_FOUND`
   */
  async deadLetterRequest(id: number): Promise<UpstreamRequest> {
    return await this.#parts.deadLetters.request(id);
  }

  /**
   * Sends dead letters again, once each, with their keys; those that are stored now are forgotten. They come after what was shipped since.
   *
   * @throws {SpoolError} `SPOOL_NOT_FOUND`
   */
  async redrive(ids: readonly number[]): Promise<readonly RedriveResult[]> {
    const { deadLetters, upstream } = this.#parts;
    const results: RedriveResult[] = [];
    for (const id of ids) {
      const request = await deadLetters.request(id);
      try {
        const answer = await upstream.send(request, this.#stop.signal);
        const isStored = verdictOf({ ...answer, isCut: false }) === "stored";
        if (isStored) await deadLetters.remove(id);
        results.push({ id, isStored, answer: `${answer.status} ${answer.body}`.trim() });
      } catch (error) {
        results.push({ id, isStored: false, answer: String(error) });
      }
    }
    this.#bells.back.ring();
    return results;
  }

  /**
   * Throws a dead letter away.
   *
   * @throws {SpoolError} `SPOOL_NOT_FOUND`
   */
  async discard(id: number): Promise<void> {
    await this.#parts.deadLetters.remove(id);
    this.#bells.back.ring();
  }

  /** Ends: a request under way is given up, and sent again, the same, after the next start. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#closeOnce();
    return this.#closing;
  }

  async #closeOnce(): Promise<void> {
    const { spool, journal, deadLetters, upstream } = this.#parts;
    this.#stop.abort();
    for (const bell of Object.values(this.#bells)) bell.ring();
    await Promise.all(this.#shippers.map((shipper) => shipper.stop()));
    await this.#running;
    upstream.close();
    await deadLetters.close();
    await journal.close();
    await spool.close();
  }
}
