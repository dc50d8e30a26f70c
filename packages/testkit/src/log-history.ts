/**
 * What a workload asked of a log and what it was promised, in the log's own order: the model of a crash test.
 *
 * A workload reports each append before it is made and its answer after; likewise for cursors, and for what
 * readers were shown. `log-model.ts` compares what a recovery found with it. Payloads are made here, so that
 * every recovered byte can be told from every other: a number for the append, the place inside the batch,
 * and filler that follows from both.
 */

import { LogCuts } from "./log-cuts.ts";
import { combineSeeds, SeededRandom } from "./seeded-random.ts";

/** What an answered append survives. */
export type SurvivalLevel = "power-loss" | "process-crash" | "nothing";

/** One call of append or appendBatch. */
export interface SentBatch {
  readonly number: number;
  readonly payloads: readonly Uint8Array[];
  /** What the answer promises. */
  readonly level: SurvivalLevel;
  /** From this moment of the workload's clock on it survives a power loss, whatever its level. */
  readonly syncedByMs: number;
  /** First LSN, once answered. */
  firstLsn: number | undefined;
  /** "refused": answered with an error that says it is not in the log; "failed": with any other error. */
  outcome: "open" | "acknowledged" | "refused" | "failed";
}

/** A cursor as its owner knows it. */
export interface CursorHistory {
  /** Every LSN asked for, rising. */
  readonly requestedLsns: number[];
  /** The highest LSN whose ack was answered. */
  acknowledgedLsn: number;
}

/** Bytes in front of each payload that say which it is. */
export const PAYLOAD_HEADER_BYTES = 12;

/** Everything a workload did. */
export class LogHistory {
  readonly seed: number;
  readonly batches: SentBatch[] = [];
  readonly cursors: Map<string, CursorHistory> = new Map<string, CursorHistory>();
  /** The LSN of the first record of the first batch. */
  startLsn = 1;
  /** The highest LSN that a reader was shown as durable, or that the log called durable. */
  durableLsn = 0;
  /** Asked at each crash for the durable LSN that the log claims at that moment. */
  claim: (() => number) | undefined;
  /** Counts what was answered; part of what tells two moments apart. */
  answers = 0;
  /** Truncations asked for and answered. */
  readonly cuts: LogCuts = new LogCuts();
  readonly #byNumber = new Map<number, SentBatch>();
  #nextNumber = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** The batch with this number, if it can still be in the log. */
  batch(number: number): SentBatch | undefined {
    return this.#byNumber.get(number);
  }

  /**
   * The history as it goes on after a recovery has answered: what was recovered is now promised, all else
   * is gone for good, and must not come back.
   */
  continueFrom(state: {
    readonly firstLsn: number;
    readonly records: readonly { readonly lsn: number; readonly payload: Uint8Array }[];
    readonly cursors: ReadonlyMap<string, number>;
  }): LogHistory {
    const next = new LogHistory(this.seed);
    next.#nextNumber = this.#nextNumber;
    next.startLsn = state.firstLsn;
    const lastIndexes = new Map<number, number>();
    for (const { payload } of state.records) {
      const identity = identifyPayload(payload);
      if (identity !== undefined) lastIndexes.set(identity.number, identity.index);
    }
    for (const { lsn, payload } of state.records) {
      const identity = identifyPayload(payload);
      if (identity === undefined || next.#byNumber.has(identity.number)) continue;
      const batch = this.#byNumber.get(identity.number);
      if (batch === undefined) continue;
      const firstLsn = lsn - identity.index;
      if (next.batches.length === 0) next.startLsn = firstLsn;
      const kept: SentBatch = {
        ...batch,
        // Shorter when a truncation went through the middle of it.
        payloads: batch.payloads.slice(0, (lastIndexes.get(batch.number) ?? 0) + 1),
        level: "power-loss",
        firstLsn,
        outcome: "acknowledged",
      };
      next.batches.push(kept);
      next.#byNumber.set(kept.number, kept);
    }
    next.durableLsn = state.firstLsn + state.records.length - 1;
    next.cuts.requestFront(state.firstLsn);
    next.cuts.acknowledgeFront();
    for (const [name, lsn] of state.cursors) {
      // Behind the end of the log there is nothing that a cursor could have acknowledged: it may move back there.
      const acknowledgedLsn = Math.min(lsn, next.durableLsn);
      next.cursors.set(name, { requestedLsns: [lsn, acknowledgedLsn], acknowledgedLsn });
    }
    return next;
  }

  /**
   * Notes a batch that is about to be appended.
   *
   * @param sizes - bytes of each payload, 12 or more
   * @param syncedByMs - when a weaker level has become "power-loss" all the same, on the workload's clock
   */
  send(
    sizes: readonly number[],
    level: SurvivalLevel,
    syncedByMs: number = Number.POSITIVE_INFINITY,
  ): SentBatch {
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const payloads = sizes.map((size, index) =>
      makePayload({ seed: this.seed, number, index, count: sizes.length, size }),
    );
    const batch: SentBatch = {
      number,
      payloads,
      level,
      syncedByMs,
      firstLsn: undefined,
      outcome: "open",
    };
    this.batches.push(batch);
    this.#byNumber.set(number, batch);
    return batch;
  }

  /** Notes the answer to an append. */
  acknowledge(batch: SentBatch, firstLsn: number): void {
    this.answers += 1;
    batch.firstLsn = firstLsn;
    batch.outcome = "acknowledged";
  }

  /** Notes an error. @param isRefusal - true when the error says that nothing of it is in the log */
  fail(batch: SentBatch, isRefusal: boolean): void {
    this.answers += 1;
    batch.outcome = isRefusal ? "refused" : "failed";
  }

  /** Notes that a cursor is about to be moved. */
  requestCursor(name: string, lsn: number): void {
    this.#cursor(name).requestedLsns.push(lsn);
  }

  /** Notes that a cursor's move was answered. */
  acknowledgeCursor(name: string, lsn: number): void {
    this.answers += 1;
    const cursor = this.#cursor(name);
    cursor.acknowledgedLsn = Math.max(cursor.acknowledgedLsn, lsn);
  }

  /** Notes that the log is about to be cut behind `lastLsn`. Every append must have been answered. */
  requestTruncateBack(lastLsn: number): void {
    if (this.batches.some((batch) => batch.outcome === "open")) {
      throw new RangeError("a truncation beside an append that is not answered");
    }
    this.answers += 1;
    this.cuts.requestBack(lastLsn, this.#nextNumber);
    this.durableLsn = Math.min(this.durableLsn, lastLsn);
    for (const cursor of this.cursors.values()) {
      if (!cursor.requestedLsns.some((lsn) => lsn > lastLsn)) continue;
      cursor.requestedLsns.push(lastLsn);
      cursor.acknowledgedLsn = Math.min(cursor.acknowledgedLsn, lastLsn);
    }
  }

  /** Notes that the cut was answered: from now on nothing of what it dropped may come back. */
  acknowledgeTruncateBack(): void {
    this.answers += 1;
    const lastLsn = this.cuts.acknowledgeBack();
    for (const [name, cursor] of this.cursors) {
      const { acknowledgedLsn } = cursor;
      const requestedLsns = cursor.requestedLsns.filter((lsn) => lsn <= lastLsn);
      this.cursors.set(name, { requestedLsns, acknowledgedLsn });
    }
  }

  /** Notes that all before `firstLsn` is about to be dropped; cursors before it move up. */
  requestTruncateFront(firstLsn: number): void {
    this.answers += 1;
    this.cuts.requestFront(firstLsn);
    for (const cursor of this.cursors.values()) cursor.requestedLsns.push(firstLsn - 1);
  }

  acknowledgeTruncateFront(): void {
    this.answers += 1;
    this.cuts.acknowledgeFront();
    for (const cursor of this.cursors.values()) {
      cursor.acknowledgedLsn = Math.max(cursor.acknowledgedLsn, this.cuts.beginsAt - 1);
    }
  }

  /** Notes an LSN that was shown or called durable: no crash may take it back. */
  observeDurable(lsn: number): void {
    if (lsn <= this.durableLsn) return;
    this.answers += 1;
    this.durableLsn = lsn;
  }

  #cursor(name: string): CursorHistory {
    const cursor = this.cursors.get(name) ?? { requestedLsns: [], acknowledgedLsn: 0 };
    this.cursors.set(name, cursor);
    return cursor;
  }
}

/** Which payload these bytes claim to be, or `undefined` when they are too short to say. */
export function identifyPayload(
  payload: Uint8Array,
): { readonly number: number; readonly index: number; readonly count: number } | undefined {
  if (payload.byteLength < PAYLOAD_HEADER_BYTES) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, PAYLOAD_HEADER_BYTES);
  return { number: view.getUint32(0), index: view.getUint32(4), count: view.getUint32(8) };
}

function makePayload(parts: {
  readonly seed: number;
  readonly number: number;
  readonly index: number;
  readonly count: number;
  readonly size: number;
}): Uint8Array {
  const size = Math.max(parts.size, PAYLOAD_HEADER_BYTES);
  const payload = new Uint8Array(size);
  const view = new DataView(payload.buffer);
  view.setUint32(0, parts.number);
  view.setUint32(4, parts.index);
  view.setUint32(8, parts.count);
  const random = new SeededRandom(combineSeeds(parts.seed, parts.number, parts.index));
  // Some payloads are all zeros behind the header: zeros are what a lost sector reads as.
  const isBlank = random.chance(0.2);
  if (isBlank) return payload;
  // Four bytes a number: payloads are made in every life, and read far more often than looked at.
  let offset = PAYLOAD_HEADER_BYTES;
  for (; offset + 4 <= size; offset += 4) view.setUint32(offset, random.uint32());
  for (; offset < size; offset += 1) payload[offset] = random.uint32() & 0xff;
  return payload;
}
