/**
 * Judges what a recovery found against what was sent and promised before the crash.
 *
 * The rules, each with a short name that failures start with:
 * - `foreign`: every record is exactly one that was sent, at the LSN that was answered;
 * - `order`, `hole`: LSNs are dense and in the order of the calls, nothing in the middle is missing;
 * - `split`: a batch is there completely or not at all;
 * - `lost`: what was acknowledged at a level that survives this crash is there;
 * - `undurable`: what was shown or called durable is there;
 * - `cursor-lost`, `cursor-ahead`: a cursor is where its last answered or a later request put it;
 * - `released`: nothing above the lowest cursor is gone from the front, unless it was truncated there;
 * - `returned`: nothing that a truncation dropped is there again;
 * - `overdue`: what had to be synced within a time is there after that time;
 * - `refused`: what was refused is not there.
 */

import { identifyPayload, type LogHistory, type SentBatch } from "./log-history.ts";

/** Power loss keeps what is synced; a process crash keeps what the operating system has. */
export type CrashKind = "power" | "process";

/** A log as a recovery presents it. */
export interface RecoveredState {
  readonly firstLsn: number;
  readonly records: readonly { readonly lsn: number; readonly payload: Uint8Array }[];
  readonly cursors: ReadonlyMap<string, number>;
}

/** A rule that was broken, in one line that starts with the rule's name. */
export class ModelViolation extends Error {
  readonly rule: string;

  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.name = "ModelViolation";
    this.rule = rule;
  }
}

/** The last LSN of a recovered log: `firstLsn - 1` when it is empty. */
export function lastLsnOf(state: RecoveredState): number {
  return state.firstLsn + state.records.length - 1;
}

/** Throws a {@link ModelViolation} when the recovered state breaks a promise. */
export function assertRecovered(
  state: RecoveredState,
  history: LogHistory,
  after: {
    readonly crash: CrashKind;
    /** The durable LSN that the log claimed before the crash. */
    readonly claimedLsn: number;
    /** When the crash came, on the workload's clock. */
    readonly elapsedMs?: number;
  },
): void {
  assertRecords(state, history);
  assertNothingLost(state, history, after);
  const lastLsn = lastLsnOf(state);
  const durableLsn = Math.max(after.claimedLsn, history.durableLsn);
  if (durableLsn > lastLsn) {
    throw new ModelViolation(
      "undurable",
      `LSN ${durableLsn} was called durable, last is ${lastLsn}`,
    );
  }
  assertCursors(state, history);
}

function assertRecords(state: RecoveredState, history: LogHistory): void {
  let expectedLsn = state.firstLsn;
  let previous: { readonly batch: SentBatch; readonly index: number } | undefined;
  for (const { lsn, payload } of state.records) {
    if (lsn !== expectedLsn)
      throw new ModelViolation("order", `LSN ${lsn} after ${expectedLsn - 1}`);
    expectedLsn += 1;
    const found = find(history, lsn, payload);
    if (previous === undefined) assertFirst(history, found, lsn);
    else assertFollows(history, previous, found, lsn);
    previous = found;
  }
  if (
    previous !== undefined &&
    previous.index + 1 < previous.batch.payloads.length &&
    !history.cuts.mayEndAt(expectedLsn - 1)
  ) {
    throw new ModelViolation(
      "split",
      `batch ${previous.batch.number} ends after ${previous.index + 1} of ${previous.batch.payloads.length}`,
    );
  }
}

function find(
  history: LogHistory,
  lsn: number,
  payload: Uint8Array,
): { readonly batch: SentBatch; readonly index: number } {
  const identity = identifyPayload(payload);
  const batch = identity === undefined ? undefined : history.batch(identity.number);
  const sent = batch?.payloads[identity?.index ?? 0];
  if (identity === undefined || batch === undefined || sent === undefined) {
    throw new ModelViolation(
      "foreign",
      `LSN ${lsn} was not sent by this workload: ${hex(payload)}`,
    );
  }
  if (Buffer.compare(sent, payload) !== 0) {
    throw new ModelViolation("foreign", `LSN ${lsn} differs from what was sent: ${hex(payload)}`);
  }
  if (batch.outcome === "refused") {
    throw new ModelViolation(
      "refused",
      `LSN ${lsn} holds batch ${batch.number}, which was refused`,
    );
  }
  if (lsn > history.cuts.goneBehind(batch.number)) {
    throw new ModelViolation("returned", `LSN ${lsn} holds batch ${batch.number}, cut off before`);
  }
  if (batch.firstLsn !== undefined && batch.firstLsn + identity.index !== lsn) {
    throw new ModelViolation(
      "foreign",
      `LSN ${lsn} holds the record that was answered as ${batch.firstLsn + identity.index}`,
    );
  }
  return { batch, index: identity.index };
}

function assertFirst(
  history: LogHistory,
  found: { readonly batch: SentBatch; readonly index: number },
  lsn: number,
): void {
  let expected = history.startLsn;
  for (const batch of history.batches) {
    expected = history.cuts.lsnAfterCut(batch.number) ?? expected;
    if (batch === found.batch) {
      // What was answered is compared with its answer.
      if (batch.firstLsn !== undefined) return;
      if (expected + found.index === lsn) return;
      throw new ModelViolation(
        "order",
        `LSN ${lsn} holds batch ${batch.number}, which belongs at ${expected}`,
      );
    }
    // With a failed batch, which may or may not have taken its LSNs, the place is no longer certain.
    if (batch.outcome === "failed") return;
    if (batch.outcome !== "refused") expected += batch.payloads.length;
  }
}

function assertFollows(
  history: LogHistory,
  previous: { readonly batch: SentBatch; readonly index: number },
  found: { readonly batch: SentBatch; readonly index: number },
  lsn: number,
): void {
  const isAfterCut = found.index === 0 && history.cuts.explains(lsn - 1, found.batch.number);
  if (previous.index + 1 < previous.batch.payloads.length) {
    if (found.batch === previous.batch && found.index === previous.index + 1) return;
    if (isAfterCut) return;
    throw new ModelViolation(
      "split",
      `batch ${previous.batch.number} stops after ${previous.index + 1} of ` +
        `${previous.batch.payloads.length} at LSN ${lsn}`,
    );
  }
  if (found.index !== 0 || found.batch.number <= previous.batch.number) {
    throw new ModelViolation(
      "order",
      `LSN ${lsn} holds record ${found.index} of batch ${found.batch.number} after batch ${previous.batch.number}`,
    );
  }
  for (let number = previous.batch.number + 1; number < found.batch.number; number += 1) {
    const skipped = history.batch(number);
    // Numbers without a batch were dropped by an earlier recovery.
    if (skipped === undefined) continue;
    if (skipped.outcome === "refused" || skipped.outcome === "failed") continue;
    if (isAfterCut && lsn > history.cuts.owedUpTo(number)) continue;
    throw new ModelViolation("hole", `batch ${number} is missing before LSN ${lsn}`);
  }
}

function assertNothingLost(
  state: RecoveredState,
  history: LogHistory,
  after: { readonly crash: CrashKind; readonly elapsedMs?: number },
): void {
  const lastLsn = lastLsnOf(state);
  const elapsedMs = after.elapsedMs ?? 0;
  for (const batch of history.batches) {
    if (batch.outcome !== "acknowledged" || batch.firstLsn === undefined) continue;
    const isOverdue = elapsedMs >= batch.syncedByMs;
    if (batch.level === "nothing" && !isOverdue) continue;
    if (batch.level === "process-crash" && after.crash === "power" && !isOverdue) continue;
    const sentLastLsn = batch.firstLsn + batch.payloads.length - 1;
    const batchLastLsn = Math.min(sentLastLsn, history.cuts.owedUpTo(batch.number));
    if (batchLastLsn > lastLsn) {
      throw new ModelViolation(
        isOverdue ? "overdue" : "lost",
        `batch ${batch.number} was acknowledged as ${batch.firstLsn}..${batchLastLsn}, last is ${lastLsn}`,
      );
    }
  }
}

function assertCursors(state: RecoveredState, history: LogHistory): void {
  const lastLsn = lastLsnOf(state);
  let releasableLsn = Number.POSITIVE_INFINITY;
  for (const [name, cursor] of history.cursors) {
    const lsn = state.cursors.get(name) ?? 0;
    // What a cursor was acknowledged for can itself be lost, at weaker levels: then it moves back to the end.
    if (lsn < Math.min(cursor.acknowledgedLsn, lastLsn)) {
      throw new ModelViolation(
        "cursor-lost",
        `cursor ${name} is at ${lsn}, ${cursor.acknowledgedLsn} was acknowledged`,
      );
    }
    // A cursor that was never acknowledged may still be where new cursors start.
    const isNew = cursor.acknowledgedLsn === 0 && lsn === state.firstLsn - 1;
    const isClamped = lsn === lastLsn && cursor.requestedLsns.some((asked) => asked > lastLsn);
    if (!isNew && !isClamped && !cursor.requestedLsns.includes(lsn)) {
      throw new ModelViolation(
        "cursor-ahead",
        `cursor ${name} is at ${lsn}, which nobody asked for (${cursor.requestedLsns.join(", ")})`,
      );
    }
    releasableLsn = Math.min(releasableLsn, lsn);
  }
  if (releasableLsn === Number.POSITIVE_INFINITY) releasableLsn = 0;
  if (state.firstLsn < history.cuts.beginsAt) {
    throw new ModelViolation(
      "returned",
      `the log starts at ${state.firstLsn}, it was truncated up to ${history.cuts.beginsAt}`,
    );
  }
  const { mayBeginAt } = history.cuts;
  if (state.firstLsn > Math.max(releasableLsn + 1, history.startLsn, mayBeginAt)) {
    throw new ModelViolation(
      "released",
      `the log starts at ${state.firstLsn}, but its lowest cursor is at ${releasableLsn}`,
    );
  }
}

function hex(payload: Uint8Array): string {
  const head = Buffer.from(payload.subarray(0, 24)).toString("hex");
  return `${payload.byteLength} bytes ${head}`;
}
