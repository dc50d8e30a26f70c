/**
 * A crash before every event around a truncation: the log is as it was before a step or as after it, never a mixture, and what was
 * dropped never comes back.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { combineSeeds, type SimulatedDisk } from "@walnut/testkit";
import { openWalWith, type Wal } from "@walnut/wal";
import { crashEverywhere } from "@walnut/testkit";
import { bytesText, Machine, QUIET_OPTIONS, textBytes } from "../machine.ts";

/** What the log is between two steps. */
interface State {
  readonly firstLsn: number;
  readonly texts: readonly string[];
  /** `undefined` as long as the log has no cursor. */
  readonly cursor: number | undefined;
}

interface Step {
  readonly what: string;
  readonly run: (wal: Wal) => Promise<unknown>;
  readonly after: (before: State) => State;
}

function append(...texts: readonly string[]): Step {
  return {
    what: `append ${texts.length}`,
    run: (wal) => wal.appendBatch(texts.map(textBytes)),
    after: (before) => ({ ...before, texts: [...before.texts, ...texts] }),
  };
}

function ack(lsn: number): Step {
  return {
    what: `ack ${lsn}`,
    run: (wal) => wal.cursor("c").ack(lsn),
    after: (before) => ({ ...before, cursor: lsn }),
  };
}

function truncateBack(lastLsn: number): Step {
  return {
    what: `truncateBack(${lastLsn})`,
    run: (wal) => wal.truncateBack(lastLsn),
    after: ({ firstLsn, texts, cursor }) => ({
      firstLsn,
      texts: texts.slice(0, lastLsn - firstLsn + 1),
      cursor: cursor === undefined ? undefined : Math.min(cursor, lastLsn),
    }),
  };
}

function truncateFront(firstLsn: number): Step {
  return {
    what: `truncateFront(${firstLsn})`,
    run: (wal) => wal.truncateFront(firstLsn),
    after: (before) => ({
      firstLsn,
      texts: before.texts.slice(firstLsn - before.firstLsn),
      cursor: before.cursor === undefined ? undefined : Math.max(before.cursor, firstLsn - 1),
    }),
  };
}

const ROTATE: Step = { what: "rotate", run: (wal) => wal.rotate(), after: (before) => before };

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  "a cut inside a frame": [append("a", "b", "c", "d"), truncateBack(2), append("e", "f")],
  "a cut over several segments": [
    append("a", "b"),
    ROTATE,
    append("c", "d"),
    ROTATE,
    append("e"),
    truncateBack(3),
    append("f"),
  ],
  "a cut of everything": [append("a", "b"), ROTATE, append("c"), truncateBack(0), append("d")],
  "two cuts, one behind the other": [
    append("a", "b", "c", "d"),
    truncateBack(3),
    append("e"),
    truncateBack(1),
    append("f"),
  ],
  "a cut before a cursor": [append("a", "b", "c"), ack(1), append("d"), ack(4), truncateBack(2)],
  "a new front in the middle of a segment": [
    append("a", "b", "c"),
    ack(1),
    truncateFront(3),
    append("d"),
  ],
  "a new front over several segments": [
    append("a"),
    ROTATE,
    append("b", "c"),
    ROTATE,
    append("d"),
    truncateFront(3),
    append("e"),
  ],
  "a new front behind everything": [
    append("a", "b"),
    ROTATE,
    append("c"),
    truncateFront(4),
    append("d"),
  ],
  "a cut at both ends": [
    append("a", "b", "c", "d", "e"),
    truncateFront(3),
    truncateBack(3),
    append("f"),
    truncateFront(4),
  ],
};

class CrashedHistory {
  readonly #steps: readonly Step[];
  lives = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  async explore(seed: number): Promise<void> {
    let state: State = { firstLsn: 1, texts: [], cursor: undefined };
    let next: State = state;
    this.lives = await crashEverywhere({
      seed,
      run: async (environment) => {
        const wal = await openWalWith(environment, QUIET_OPTIONS);
        for (const step of this.#steps) {
          next = step.after(state);
          await step.run(wal);
          state = next;
        }
        await wal.close();
      },
      judge: (disk) => judge(disk, [state, next]),
      stamp: () => JSON.stringify(state),
    });
    assert.deepEqual(state, next);
  }
}

async function judge(disk: SimulatedDisk, allowed: readonly State[]): Promise<void> {
  const found = await recovered(disk);
  const same = allowed.filter(({ firstLsn, texts }) => isSameLog(found, { firstLsn, texts }));
  assert.ok(same.length > 0, `${JSON.stringify(found)} is none of ${JSON.stringify(allowed)}`);
  // The cursor moves in a step of its own; it never speaks of records that are not there.
  assert.ok(
    allowed.some(({ cursor }) => cursor === found.cursor),
    `cursor ${String(found.cursor)}`,
  );
}

/** Opens what a crash left, goes on with one more record, and opens that again. */
async function recovered(disk: SimulatedDisk): Promise<State> {
  const wal = await new Machine({ disk, seed: 5 }).open();
  const found = await stateOf(wal);
  const lsn = await wal.append(textBytes("more"));
  assert.equal(lsn, found.firstLsn + found.texts.length);
  await wal.close();
  const again = await new Machine({ disk, seed: 6 }).open({ recovery: "strict" });
  const texts = [...found.texts, "more"];
  assert.ok(
    isSameLog(await stateOf(again), { ...found, texts }),
    "differs when it is opened again",
  );
  await again.close();
  return found;
}

async function stateOf(wal: Wal): Promise<State> {
  const texts: string[] = [];
  for await (const { payload } of wal.read()) texts.push(bytesText(payload));
  const [cursor] = wal.status().cursors;
  return { firstLsn: wal.positions.firstLsn, texts, cursor: cursor?.lsn };
}

function isSameLog(one: Omit<State, "cursor">, other: Omit<State, "cursor">): boolean {
  return one.firstLsn === other.firstLsn && one.texts.join() === other.texts.join();
}

suite("a crash around", () => {
  for (const [what, steps] of Object.entries(HISTORIES)) {
    test(`${what} leaves the log as before a step or as after it`, async () => {
      const history = new CrashedHistory(steps);
      await history.explore(combineSeeds(what));
      assert.ok(history.lives > 100, `${history.lives} lives`);
    });
  }
});
