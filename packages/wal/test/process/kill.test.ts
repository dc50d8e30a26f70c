/**
 * Kill -9 of a process that appends: everything it said it was answered is there, under its LSN, byte by byte; batches are whole;
 * nothing comes back, and nothing that was once read is gone.
 *
 * `WALNUT_KILL_CYCLES=500 npm test -- wal/test/process/kill` kills more often, `WALNUT_KILL_SEED` chooses another run.
 */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { combineSeeds, SeededRandom } from "@walnut/testkit";
import { openWal } from "@walnut/wal";
import { Child, temporaryDirectory } from "./child-process.ts";
import { appendName, identityOf, type PayloadIdentity } from "./kill-payload.ts";

const CYCLES = Number(process.env["WALNUT_KILL_CYCLES"] ?? "20");
const SEED = Number(process.env["WALNUT_KILL_SEED"] ?? "1");
/** Logs that are written and killed side by side. */
const LANES = 2;

/** What one lane knows of its log. */
class KilledLog {
  readonly #directory: string;
  readonly #random: SeededRandom;
  /** Appends by the LSN of their first record, as they were answered and not yet found. */
  readonly #answered = new Map<number, string>();
  /** Records that were read, by LSN, as far as they are still in the log. */
  readonly #seen = new Map<number, string>();
  answers = 0;
  records = 0;

  constructor(directory: string, random: SeededRandom) {
    this.#directory = directory;
    this.#random = random;
  }

  async killOnce(cycle: number, context: TestContext): Promise<void> {
    const child = new Child(
      "kill-writer.ts",
      [this.#directory, String(cycle), String(SEED)],
      context,
    );
    // Most die at work; some while they start, perhaps in the middle of recovery.
    if (this.#random.chance(0.85)) {
      await child.hasLines(this.#random.pick([1, 1, 20, 200]));
      await pause(this.#random.pick([0, 1, 5, 30, 120]));
    } else {
      await pause(this.#random.between(150, 500));
    }
    await child.kill();
    assert.equal(await child.ended, "SIGKILL");
    for (const line of child.lines) {
      const [lsn = "", name = ""] = line.split(" ");
      this.#answered.set(Number(lsn), name);
      this.answers++;
    }
  }

  async check(): Promise<void> {
    const recovery = this.#random.pick(["default", "strict"] as const);
    await using wal = await openWal({ directory: this.#directory, recovery });
    const batches = new Map<string, PayloadIdentity[]>();
    const { firstLsn, appendedLsn } = wal.positions;
    for await (const { lsn, payload } of wal.read()) {
      const identity = identityOf(payload);
      const name = appendName(identity);
      assert.equal(this.#seen.get(lsn) ?? name, name, `LSN ${lsn} was another record before`);
      this.#seen.set(lsn, name);
      batches.set(name, [...(batches.get(name) ?? []), identity]);
      if (identity.index === 0) {
        assert.equal(this.#answered.get(lsn) ?? name, name, `LSN ${lsn} was answered to another`);
        this.#answered.delete(lsn);
      }
    }
    assert.deepEqual([...this.#answered], [], "answered and lost");
    const lost = [...this.#seen.keys()].filter((lsn) => lsn > appendedLsn);
    assert.deepEqual(lost, [], "read before and lost");
    for (const identities of batches.values()) {
      assert.deepEqual(
        identities.map(({ index }) => index),
        Array.from({ length: identities[0]?.batchLength ?? 0 }, (_, index) => index),
        "a batch is not whole",
      );
    }
    this.records = appendedLsn;
    await this.#forget(firstLsn, appendedLsn, (lsn) => wal.cursor("seen").ack(lsn));
  }

  /** Lets go of most of what was read, so that a long run does not read everything each time. */
  async #forget(
    firstLsn: number,
    lastLsn: number,
    ack: (lsn: number) => Promise<void>,
  ): Promise<void> {
    if (lastLsn - firstLsn < 20_000) return;
    await ack(lastLsn);
    this.#seen.clear();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

suite("a writer killed with SIGKILL", () => {
  test(`leaves everything that was answered, ${CYCLES} times, seed ${SEED}`, async (context) => {
    const lane = async (index: number): Promise<KilledLog> => {
      const random = new SeededRandom(combineSeeds(SEED, "lane", index));
      const log = new KilledLog(temporaryDirectory(context), random);
      for (let cycle = index; cycle < CYCLES; cycle += LANES) {
        await log.killOnce(cycle, context);
        // Sometimes the next process recovers what is left, and dies as well.
        if (random.chance(0.8) || cycle + LANES >= CYCLES) await log.check();
      }
      return log;
    };
    const logs = await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
    const answers = logs.reduce((sum, log) => sum + log.answers, 0);
    const records = logs.reduce((sum, log) => sum + log.records, 0);
    context.diagnostic(`${answers} answers, ${records} records`);
    assert.ok(answers > CYCLES * 5, `only ${answers} answers`);
  });
});
