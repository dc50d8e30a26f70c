import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  EMPTY_HISTORY,
  HISTORY_MS,
  isGap,
  lineOf,
  newestSample,
  remember,
  windowOf,
  type History,
} from "../src/app/history.ts";
import type { Overview } from "../src/overview.ts";
import { NO_NUMBERS, overview, worker } from "./overview-sample.ts";

const START_MS = 1_000_000;

/** The server after so many seconds, at 100 rows a second. */
function after(seconds: number, changes: Partial<Overview> = {}): Overview {
  const { requests } = worker();
  const rows = seconds * 100;
  return overview({
    nowMs: START_MS + seconds * 1_000,
    workers: [worker({ requests: { ...requests, rows, byStatus: { "204": seconds * 4 } } })],
    tables: [
      { ...NO_NUMBERS, database: "db", measurement: "m", rows, bytes: rows * 10, recentRows: 0 },
    ],
    ...changes,
  });
}

function historyOf(...overviews: Overview[]): History {
  return overviews.reduce(remember, EMPTY_HISTORY);
}

suite("history", () => {
  test("tells rates between two answers", () => {
    const sample = newestSample(historyOf(after(0), after(2)));
    assert.equal(sample?.rowsPerSecond, 100);
    assert.equal(sample?.requestsPerSecond, 4);
    assert.deepEqual(sample?.tables.get("db.m"), { rowsPerSecond: 100, bytesPerSecond: 1_000 });
    assert.equal(sample?.bytesPerSync, undefined);
  });

  test("keeps five minutes", () => {
    let history = EMPTY_HISTORY;
    for (let second = 0; second < 600; second++) history = remember(history, after(second));
    assert.equal(history.moments.length, HISTORY_MS / 1_000 + 1);
  });

  test("draws no line over a pause", () => {
    const history = historyOf(after(0), after(1), after(60), after(61));
    assert.deepEqual(history.moments.map(isGap), [false, true, false]);
    assert.deepEqual(
      lineOf(history, ({ rowsPerSecond }) => rowsPerSecond),
      [100, null, 100],
    );
  });

  test("counts from 0 after a restart, and never below", () => {
    const restarted = after(3, { workers: [worker()], tables: [] });
    assert.equal(newestSample(historyOf(after(2), restarted))?.rowsPerSecond, 0);
  });

  test("forgets what a clock that was set back would draw twice", () => {
    assert.deepEqual(historyOf(after(5), after(6), after(1)).moments, []);
  });

  test("shows a longer time only when there is one", () => {
    const lengthOf = (history: History): number => {
      const [from, to] = windowOf(history);
      return to - from;
    };
    assert.equal(lengthOf(historyOf(after(0), after(1))), 60);
    assert.equal(lengthOf(historyOf(after(0), after(1), after(70), after(71))), 120);
  });

  test("a table that was among the others before has no rate", () => {
    const others = { ...NO_NUMBERS, tables: 3 };
    const history = historyOf(after(0, { tables: [], others }), after(1, { others }));
    assert.equal(newestSample(history)?.tables.size, 0);
  });
});
