/**
 * Ships one category: one request at a time, in order, each sent until the upstream has decided about it.
 *
 *   1. claim     the range of the request is in the journal            CRASH: ship-1 the request was not sent
 *   2. send      with a key made of producer, category and range       CRASH: ship-2 the upstream may have it; the same request follows
 *   3. shipped   the journal knows that it is taken care of            CRASH: ship-3 nothing is sent again
 *   4. ack       the cursor moves, and segments go                     CRASH: ship-4 the same
 *
 * What the upstream refuses goes to the dead letters before step 3; where the body may be at fault, first half of it is tried, so that one bad
 * item does not take its neighbours with it. See docs/forward.md, "Exactly once".
 */
import { isWalError, type Cursor, type WalEnvironment } from "@walnut/wal";
import { settleCursor, type SpoolCategory } from "../spool-category.ts";
import { verdictOf } from "./answer-verdict.ts";
import { BatchReader } from "./batch-reader.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { bodyOf, type ItemBatch } from "./item-batch.ts";
import { RateMeter } from "./rate-meter.ts";
import { retryAfterMs, retryDelayMs, type RetryLimits } from "./retry-delay.ts";
import type { ItemRange, ShipJournal } from "./ship-journal.ts";
import { ShipNotices, type ForwardNotice } from "./ship-notices.ts";
import type { Upstream, UpstreamAnswer, UpstreamRequest } from "./upstream.ts";
import type { Wakeup } from "./wakeup.ts";
import type { WorkerSlots } from "./worker-slots.ts";

export interface ShipLimits {
  readonly maxBatchItems: number;
  readonly maxBatchBytes: number;
  /** How long a batch waits for more items, in milliseconds. */
  readonly lingerMs: number;
  readonly retry: RetryLimits;
  /** Bytes shipped after which the cursor moves even while there is more: nothing smaller can be released. */
  readonly ackBytes: number;
}

/** What shippers, and those who look at them, wait for. */
export interface ShipBells {
  /** The upstream is back, or shipping is resumed: a pause is over. */
  readonly back: Wakeup;
  /** Somebody wants everything shipped now: no waiting for more items. */
  readonly hurry: Wakeup;
  /** A category has nothing left. */
  readonly empty: Wakeup;
}

/** What all shippers of a forwarder share. */
export interface ShipParts {
  readonly environment: WalEnvironment;
  readonly upstream: Upstream;
  readonly journal: ShipJournal;
  readonly deadLetters: DeadLetters;
  readonly slots: WorkerSlots;
  readonly bells: ShipBells;
  readonly limits: ShipLimits;
  readonly stop: AbortSignal;
  readonly isPaused: () => boolean;
  readonly isDraining: () => boolean;
  readonly tell: (notice: ForwardNotice) => void;
}

/** What a shipper is at. */
export type ShipperState = "idle" | "sending" | "retrying" | "paused" | "failed";

export interface ShipperStatus {
  readonly state: ShipperState;
  readonly shippedLsn: number;
  readonly shippedItems: number;
  readonly shippedBytes: number;
  readonly requests: number;
  readonly retries: number;
  readonly refusedRequests: number;
  /** Items that policy "drop-oldest" took before they were shipped. */
  readonly droppedUnshipped: number;
  /** Why the last try failed; `undefined` when it did not. */
  readonly lastFailure: string | undefined;
  readonly itemsPerSecond: number;
}

/** Name of the cursor that holds what is not shipped. */
export const SHIP_CURSOR = "upstream";

const RANDOM_RANGE = 2 ** 32;

/** Ships one category, from {@link run} to the stop signal. */
export class CategoryShipper {
  readonly category: SpoolCategory;
  readonly #parts: ShipParts;
  readonly #cursor: Cursor;
  readonly #reader: BatchReader;
  readonly #rate = new RateMeter();
  readonly #notices: ShipNotices;
  readonly #producer: string;
  #shippedLsn: number;
  #claimed: ItemRange | undefined;
  /** Smaller after a refusal, twice as large after each success. */
  #maxItems: number;
  #isSettled = false;
  #unackedBytes = 0;
  #state: ShipperState = "idle";
  #lastFailure: string | undefined;
  #counts = { items: 0, bytes: 0, requests: 0, retries: 0, refused: 0, dropped: 0 };

  constructor(category: SpoolCategory, parts: ShipParts) {
    this.category = category;
    this.#parts = parts;
    this.#cursor = category.cursor(SHIP_CURSOR);
    this.#notices = new ShipNotices(category.name, parts.tell);
    const { producer, shippedLsn, claim } = parts.journal.stateOf(category.name, category.lastLsn);
    this.#producer = producer;
    this.#shippedLsn = Math.max(shippedLsn, this.#cursor.lsn);
    this.#claimed = claim !== undefined && claim.lastLsn > this.#shippedLsn ? claim : undefined;
    this.#maxItems = parts.limits.maxBatchItems;
    this.#reader = new BatchReader(category, this.#shippedLsn + 1, (lsn) => this.#skip(lsn));
  }

  /** Ships until the stop signal. Never rejects: what goes wrong is told by {@link status}, and tried again. */
  async run(): Promise<void> {
    const { stop, limits, bells } = this.#parts;
    while (!stop.aborted) {
      try {
        await this.#shipNext();
      } catch (error) {
        if (stop.aborted) break;
        this.#state = "failed";
        this.#lastFailure = messageOf(error);
        this.#notices.waits(this.#lastFailure);
        // What was read and not decided about is read again: nothing is passed over.
        await this.#reader.rewind(this.#shippedLsn + 1);
        await bells.back.wait(limits.retry.maxDelayMs);
      }
    }
    await this.#reader.close();
  }

  /** Ends a wait for items; to be called after the stop signal. */
  async stop(): Promise<void> {
    await this.#reader.close();
  }

  /** Items that are not shipped. */
  get depth(): number {
    return this.category.lastLsn - this.#shippedLsn;
  }

  /** When the oldest item that is not shipped was put; `undefined` without one. */
  async oldestPutAtMs(): Promise<number | undefined> {
    return await this.category.putAtMsOf(this.#shippedLsn + 1);
  }

  status(): ShipperStatus {
    const { items, bytes, requests, retries, refused, dropped } = this.#counts;
    return {
      state: this.#parts.isPaused() ? "paused" : this.#state,
      shippedLsn: this.#shippedLsn,
      shippedItems: items,
      shippedBytes: bytes,
      requests,
      retries,
      refusedRequests: refused,
      droppedUnshipped: dropped,
      lastFailure: this.#lastFailure,
      itemsPerSecond: this.#rate.perSecond(this.#parts.environment.monotonicMs()),
    };
  }

  async #shipNext(): Promise<void> {
    const { journal } = this.#parts;
    this.#state = "idle";
    const batch = await this.#nextBatch();
    if (batch === undefined) return;
    // It may be claimed, and sent, when something fails: then it is next again, with the same range.
    this.#claimed = batch;
    if (!this.#isSettled) await settleCursor(this.#cursor);
    this.#isSettled = true;
    await journal.claim(this.category.name, batch);
    await this.#ship(batch);
    this.#claimed = undefined;
  }

  async #nextBatch(): Promise<ItemBatch | undefined> {
    const { limits, bells, isDraining } = this.#parts;
    const claim = this.#claimed;
    if (claim !== undefined) {
      const batch = await this.#reader.exactly(claim);
      if (batch === undefined) this.#claimed = undefined; // Dropped, all of it.
      return batch;
    }
    return await this.#reader.next({
      maxItems: this.#maxItems,
      maxBytes: limits.maxBatchBytes,
      waited: () => (isDraining() ? Promise.resolve() : bells.hurry.wait(limits.lingerMs)),
    });
  }

  /** Sends a batch until it is decided, whatever that is. A stop leaves it claimed. */
  async #ship(batch: ItemBatch): Promise<void> {
    const { stop, limits } = this.#parts;
    const message: UpstreamRequest = {
      category: this.category.name,
      key: `${this.#producer}-${this.category.name}-${batch.firstLsn}-${batch.lastLsn}`,
      attributes: batch.attributes,
      body: bodyOf(batch),
    };
    const answer = await this.#sendUntilDecided(message, batch.isCut);
    if (answer === undefined || stop.aborted) return;
    const verdict = verdictOf({ ...answer, isCut: batch.isCut });
    if (verdict === "refused-content" && batch.items.length > 1 && !batch.isCut) {
      this.#maxItems = Math.ceil(batch.items.length / 2);
      await this.#reader.rewind(batch.firstLsn);
      return;
    }
    if (verdict !== "stored") await this.#keepDead(message, batch, answer);
    if (stop.aborted) return;
    this.#maxItems = Math.min(this.#maxItems * 2, limits.maxBatchItems);
    this.#finish(batch, verdict === "stored");
  }

  async #sendUntilDecided(
    message: UpstreamRequest,
    isCut: boolean,
  ): Promise<UpstreamAnswer | undefined> {
    const { upstream, slots, stop, bells, environment, limits, isPaused } = this.#parts;
    for (let failures = 0; !stop.aborted;) {
      if (isPaused()) {
        await bells.back.nextRing();
        continue;
      }
      const wasLost = upstream.isLost;
      const { answer, failure } = await slots.run(() => this.#try(message));
      if (answer !== undefined && verdictOf({ ...answer, isCut }) !== "retry") {
        this.#lastFailure = undefined;
        this.#notices.decided();
        // Whoever waits for the upstream to come back need not wait any longer. Not with every success: an upstream that refuses one
        // category for the time being, and takes the others, would be asked again and again.
        if (failures > 0 || wasLost) bells.back.ring();
        return answer;
      }
      if (stop.aborted) return undefined;
      failures += 1;
      this.#counts.retries += 1;
      this.#state = "retrying";
      this.#lastFailure = failure ?? reasonOf(answer);
      this.#notices.failed(failures, this.#lastFailure);
      const random = new DataView(environment.randomBytes(4).slice().buffer).getUint32(0);
      const askedMs = answer === undefined ? 0 : retryAfterMs(answer, environment.nowMs());
      const delayMs = retryDelayMs(failures, random / RANDOM_RANGE, limits.retry);
      await this.#pause(delayMs, askedMs);
    }
    return undefined;
  }

  /** A pause of our own may be cut short when the upstream is back; one that it asked for may not. */
  async #pause(delayMs: number, askedMs: number): Promise<void> {
    const { bells, environment, stop } = this.#parts;
    const untilMs = environment.monotonicMs() + askedMs;
    await bells.back.wait(Math.max(delayMs, askedMs));
    for (;;) {
      const leftMs = untilMs - environment.monotonicMs();
      if (leftMs <= 0 || stop.aborted) return;
      await bells.back.wait(leftMs);
    }
  }

  async #try(
    message: UpstreamRequest,
  ): Promise<{ readonly answer?: UpstreamAnswer; readonly failure?: string }> {
    this.#state = "sending";
    this.#counts.requests += 1;
    try {
      return { answer: await this.#parts.upstream.send(message, this.#parts.stop) };
    } catch (error) {
      // CRASH: ship-2 is what this also looks like: the upstream may have the items or not.
      return { failure: messageOf(error) };
    }
  }

  /** Nothing is given up that is not kept: without room for the letter the category waits. */
  async #keepDead(
    message: UpstreamRequest,
    batch: ItemBatch,
    { status, body: answer }: UpstreamAnswer,
  ): Promise<void> {
    const { deadLetters, environment, bells, limits, stop } = this.#parts;
    this.#counts.refused += 1;
    const { category, key, attributes, body } = message;
    const facts = { category, key, attributes, items: batch.items.length, bytes: body.byteLength };
    while (!stop.aborted) {
      try {
        await deadLetters.add({ ...facts, status, answer, refusedAtMs: environment.nowMs() }, body);
        this.#notices.refused(reasonOf({ status, body: answer }), environment.monotonicMs());
        return;
      } catch (error) {
        const isFull =
          isWalError(error, "WAL_NO_SPACE") || isWalError(error, "WAL_RECORD_TOO_LARGE");
        if (!isFull) throw error;
        this.#state = "failed";
        this.#lastFailure = `no room for another dead letter: redrive or discard some (${messageOf(error)})`;
        this.#notices.waits(this.#lastFailure);
        await bells.back.wait(limits.retry.maxDelayMs);
      }
    }
  }

  #finish({ lastLsn, items, payloadBytes }: ItemBatch, isStored: boolean): void {
    const { journal, environment, limits, bells } = this.#parts;
    this.#shippedLsn = Math.max(this.#shippedLsn, lastLsn);
    // Not waited for: the next claim is behind it in the journal, and waits for both.
    journal.shipped(this.category.name, lastLsn).catch((error: unknown) => {
      this.#lastFailure = messageOf(error);
    });
    if (isStored) {
      this.#counts.items += items.length;
      this.#counts.bytes += payloadBytes;
      this.#rate.add(items.length, environment.monotonicMs());
    }
    this.#unackedBytes += payloadBytes;
    const isBehind = this.category.lastLsn > lastLsn;
    if (isBehind && this.#unackedBytes < limits.ackBytes) return;
    this.#unackedBytes = 0;
    if (!isBehind) bells.empty.ring();
    // CRASH: ship-4 leaves the cursor where it was: the journal knows better.
    this.#cursor.ack(lastLsn).catch((error: unknown) => {
      this.#lastFailure = messageOf(error);
    });
  }

  #skip(lastLsn: number): void {
    this.#counts.dropped += Math.max(0, lastLsn - this.#shippedLsn);
    this.#shippedLsn = Math.max(this.#shippedLsn, lastLsn);
  }
}

function reasonOf(answer: Pick<UpstreamAnswer, "status" | "body"> | undefined): string {
  return `${answer?.status}: ${answer?.body.slice(0, 200)}`;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several addresses were tried, and the reasons are inside.
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return error.message === "" && inner instanceof Error ? inner.message : error.message;
}
