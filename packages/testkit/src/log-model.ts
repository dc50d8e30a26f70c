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
 * - `released`: nothing above the lowest cursor is gone from the front;
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
  },
): void {
  assertRecords(state, history);
  assertNothingLost(state, history, after.crash);
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
  if (previous !== undefined && previous.index + 1 < previous.batch.payloads.length) {
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
    if (batch === found.batch) {
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
  if (previous.index + 1 < previous.batch.payloads.length) {
    if (found.batch === previous.batch && found.index === previous.index + 1) return;
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
    throw new ModelViolation("hole", `batch ${number} is missing before LSN ${lsn}`);
  }
}

function assertNothingLost(state: RecoveredState, history: LogHistory, crash: CrashKind): void {
  const lastLsn = lastLsnOf(state);
  for (const batch of history.batches) {
    if (batch.outcome !== "acknowledged" || batch.firstLsn === undefined) continue;
    if (batch.level === "nothing") continue;
    if (batch.level === "process-crash" && crash === "power") continue;
    const batchLastLsn = batch.firstLsn + batch.payloads.length - 1;
    if (batchLastLsn > lastLsn) {
      throw new ModelViolation(
        "lost",
        `batch ${batch.number} was acknowledged as ${batch.firstLsn}..${batchLastLsn}, last is ${lastLsn}`,
      );
    }
  }
}

function assertCursors(state: RecoveredState, history: LogHistory): void {
  let releasableLsn = Number.POSITIVE_INFINITY;
  for (const [name, cursor] of history.cursors) {
    const lsn = state.cursors.get(name) ?? 0;
    if (lsn < cursor.acknowledgedLsn) {
      throw new ModelViolation(
        "cursor-lost",
        `cursor ${name} is at ${lsn}, ${cursor.acknowledgedLsn} was acknowledged`,
      );
    }
    // A cursor that was never acknowledged may still be where new cursors start.
    const isNew = cursor.acknowledgedLsn === 0 && lsn === state.firstLsn - 1;
    if (!isNew && !cursor.requestedLsns.includes(lsn)) {
      throw new ModelViolation(
        "cursor-ahead",
        `cursor ${name} is at ${lsn}, which nobody asked for (${cursor.requestedLsns.join(", ")})`,
      );
    }
    releasableLsn = Math.min(releasableLsn, lsn);
  }
  if (releasableLsn === Number.POSITIVE_INFINITY) releasableLsn = 0;
  if (state.firstLsn > Math.max(releasableLsn + 1, history.startLsn)) {
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
