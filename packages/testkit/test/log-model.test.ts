/** Each rule of the model, broken once by hand. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  assertRecovered,
  LogHistory,
  ModelViolation,
  type CrashKind,
  type RecoveredState,
  type SurvivalLevel,
} from "@walnut/testkit";

/** Batches of 2 records each: LSNs 1-2, 3-4, … */
function historyOf(...levels: (SurvivalLevel | "open" | "failed" | "refused")[]): LogHistory {
  const history = new LogHistory(1);
  let lsn = 1;
  for (const level of levels) {
    const isAnswered = level !== "open" && level !== "failed" && level !== "refused";
    const batch = history.send([20, 30], isAnswered ? level : "power-loss");
    if (isAnswered) history.acknowledge(batch, lsn);
    if (level === "failed" || level === "refused") history.fail(batch, level === "refused");
    if (level !== "refused") lsn += 2;
  }
  return history;
}

/** The log that holds these records: [batch, index] from `firstLsn` on. */
function stateOf(
  history: LogHistory,
  places: readonly (readonly [batch: number, index: number])[],
  firstLsn = 1,
  cursors: Record<string, number> = {},
): RecoveredState {
  const records = places.map(([batch, index], position) => ({
    lsn: firstLsn + position,
    payload: history.batches[batch]?.payloads[index] ?? new Uint8Array(0),
  }));
  return { firstLsn, records, cursors: new Map(Object.entries(cursors)) };
}

const WHOLE = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

function assertBroken(
  rule: string,
  state: RecoveredState,
  history: LogHistory,
  crash: CrashKind = "power",
): void {
  assert.throws(
    () => assertRecovered(state, history, { crash, claimedLsn: 0 }),
    (error) => error instanceof ModelViolation && error.rule === rule,
  );
}

function assertFine(state: RecoveredState, history: LogHistory, crash: CrashKind = "power"): void {
  assertRecovered(state, history, { crash, claimedLsn: 0 });
}

suite("assertRecovered", () => {
  test("accepts all, and what was not acknowledged there or not", () => {
    const history = historyOf("power-loss", "open");
    assertFine(stateOf(history, WHOLE), history);
    assertFine(stateOf(history, WHOLE.slice(0, 2)), history);
  });

  test("lost: an acknowledged batch is missing", () => {
    const history = historyOf("power-loss", "power-loss");
    assertBroken("lost", stateOf(history, WHOLE.slice(0, 2)), history);
  });

  test("lost: depends on the level and on the crash", () => {
    const history = historyOf("process-crash", "nothing");
    assertFine(stateOf(history, []), history, "power");
    assertBroken("lost", stateOf(history, []), history, "process");
    assertFine(stateOf(history, WHOLE.slice(0, 2)), history, "process");
  });

  test("undurable: what was called durable is missing", () => {
    const history = historyOf("process-crash", "process-crash");
    history.observeDurable(3);
    assertBroken("undurable", stateOf(history, WHOLE.slice(0, 2)), history);
    const claim = { crash: "power" as const, claimedLsn: 4 };
    assert.throws(() =>
      assertRecovered(stateOf(history, WHOLE.slice(0, 2)), historyOf("open", "open"), claim),
    );
  });

  test("split: a batch is there in part, at the end or in the middle", () => {
    const history = historyOf("open", "open");
    assertBroken("split", stateOf(history, WHOLE.slice(0, 3)), history);
    assertBroken(
      "split",
      stateOf(history, [
        [0, 0],
        [1, 0],
        [1, 1],
      ]),
      history,
    );
  });

  test("hole: a batch in the middle is missing", () => {
    const history = historyOf("open", "open", "open");
    const state = stateOf(history, [
      [0, 0],
      [0, 1],
      [2, 0],
      [2, 1],
    ]);
    assertBroken("hole", state, history);
  });

  test("allows a hole where a call failed or was refused", () => {
    for (const outcome of ["failed", "refused"] as const) {
      const history = historyOf("open", outcome, "open");
      const state = stateOf(history, [
        [0, 0],
        [0, 1],
        [2, 0],
        [2, 1],
      ]);
      assertFine(state, history);
    }
  });

  test("refused: what was refused is there all the same", () => {
    const history = historyOf("open", "refused");
    assertBroken("refused", stateOf(history, WHOLE), history);
  });

  test("order: records change places, repeat, or begin in the wrong place", () => {
    const history = historyOf("open", "open");
    assertBroken(
      "order",
      stateOf(history, [
        [1, 0],
        [1, 1],
      ]),
      history,
    );
    assertBroken("order", stateOf(history, [...WHOLE, [0, 0], [0, 1]]), history);
    const gap = stateOf(history, WHOLE);
    const shifted = gap.records.map(({ lsn, payload }) => ({
      lsn: lsn > 2 ? lsn + 1 : lsn,
      payload,
    }));
    assertBroken("order", { ...gap, records: shifted }, history);
  });

  test("foreign: a record that nobody sent, or changed, or at another LSN than answered", () => {
    const history = historyOf("open");
    const state = stateOf(history, WHOLE.slice(0, 2));
    const [first, second] = state.records;
    assert.ok(first !== undefined && second !== undefined);
    const strange = { ...second, payload: new Uint8Array(20).fill(9) };
    assertBroken("foreign", { ...state, records: [first, strange] }, history);
    const changed = { ...second, payload: second.payload.slice() };
    changed.payload[25] = (changed.payload[25] ?? 0) ^ 1;
    assertBroken("foreign", { ...state, records: [first, changed] }, history);
    const short = { ...second, payload: second.payload.slice(0, 4) };
    assertBroken("foreign", { ...state, records: [first, short] }, history);
    const answered = new LogHistory(1);
    answered.acknowledge(answered.send([20, 30], "power-loss"), 7);
    assertBroken("foreign", state, answered);
  });

  test("cursor-lost, cursor-ahead: a cursor is where it was put", () => {
    const history = historyOf("power-loss", "power-loss");
    history.requestCursor("c", 1);
    history.acknowledgeCursor("c", 1);
    history.requestCursor("c", 3);
    for (const lsn of [1, 3]) assertFine(stateOf(history, WHOLE, 1, { c: lsn }), history);
    assertBroken("cursor-lost", stateOf(history, WHOLE, 1, { c: 0 }), history);
    assertBroken("cursor-ahead", stateOf(history, WHOLE, 1, { c: 2 }), history);
    assertBroken("cursor-ahead", stateOf(history, WHOLE, 1, { c: 4 }), history);
  });

  test("released: the front is gone although a cursor needs it", () => {
    const history = historyOf("power-loss", "power-loss");
    assertBroken("released", stateOf(history, WHOLE.slice(2), 3), history);
    history.requestCursor("c", 2);
    history.acknowledgeCursor("c", 2);
    assertFine(stateOf(history, WHOLE.slice(2), 3, { c: 2 }), history);
    assertBroken("released", stateOf(history, WHOLE.slice(3), 4, { c: 2 }), history);
  });
});

suite("LogHistory", () => {
  test("forgets after a recovery what was not recovered, for good", () => {
    const before = historyOf("power-loss", "open");
    const after = before.continueFrom(stateOf(before, WHOLE.slice(0, 2)));
    assertBroken("foreign", stateOf(before, WHOLE), after);
    const next = after.send([20], "power-loss");
    assert.equal(next.number, 2);
    after.acknowledge(next, 3);
    const [first, second] = stateOf(before, WHOLE.slice(0, 2)).records;
    const third = { lsn: 3, payload: next.payloads[0] ?? new Uint8Array(0) };
    assert.ok(first !== undefined && second !== undefined);
    const records = [first, second, third];
    assertFine({ firstLsn: 1, records, cursors: new Map() }, after);
  });

  test("promises after a recovery all that was recovered", () => {
    const before = historyOf("open", "open");
    const after = before.continueFrom(stateOf(before, WHOLE));
    assertBroken("lost", stateOf(before, WHOLE.slice(0, 2)), after);
  });
});
