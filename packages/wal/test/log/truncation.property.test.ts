/**
 * Random histories of appends, batches, truncations at both ends, rotations, cursors and openings, against an array.
 *
 * More of them: `WALNUT_TRUNCATION_RUNS=5000 npm test -- truncation.property`
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { combineSeeds, SeededRandom } from "@walnut/testkit";
import type { Wal, WalOptions } from "@walnut/wal";
import { bytesText, Machine, textBytes } from "../machine.ts";

const RUNS = Number(process.env["WALNUT_TRUNCATION_RUNS"] ?? "60");
const STEPS_PER_RUN = 25;

/** The log as an array: what is at position `i` has LSN `firstLsn + i`. */
class ArrayLog {
  firstLsn = 1;
  texts: string[] = [];
  readonly cursors = new Map<string, number>();
  #count = 0;

  get lastLsn(): number {
    return this.firstLsn + this.texts.length - 1;
  }

  /** A text that no other record of this run has. */
  fresh(random: SeededRandom): string {
    return `${this.#count++}:${"x".repeat(random.pick([0, 3, 40, 700, 2500]))}`;
  }

  append(text: string): number {
    this.texts.push(text);
    return this.lastLsn;
  }

  truncateBack(lastLsn: number): void {
    this.texts.length = lastLsn - this.firstLsn + 1;
    for (const [name, lsn] of this.cursors) this.cursors.set(name, Math.min(lsn, lastLsn));
  }

  truncateFront(firstLsn: number): void {
    this.dropBefore(firstLsn);
    for (const [name, lsn] of this.cursors) this.cursors.set(name, Math.max(lsn, firstLsn - 1));
  }

  dropBefore(firstLsn: number): void {
    if (firstLsn <= this.firstLsn) return;
    this.texts.splice(0, firstLsn - this.firstLsn);
    this.firstLsn = firstLsn;
  }
}

class Run {
  readonly #random: SeededRandom;
  readonly #model = new ArrayLog();
  #machine: Machine;
  readonly #options: Partial<WalOptions>;
  #wal: Wal;
  readonly trace: string[] = [];

  private constructor(
    random: SeededRandom,
    machine: Machine,
    options: Partial<WalOptions>,
    wal: Wal,
  ) {
    this.#random = random;
    this.#machine = machine;
    this.#options = options;
    this.#wal = wal;
  }

  static async begin(seed: number): Promise<Run> {
    const random = new SeededRandom(seed);
    const machine = new Machine({ seed });
    const options = { codec: random.pick(["none", "deflate"] as const) };
    return new Run(random, machine, options, await machine.open(options));
  }

  async step(): Promise<void> {
    const roll = this.#random.below(20);
    if (roll < 5) await this.#append();
    else if (roll < 7) await this.#appendTogether();
    else if (roll < 9) await this.#appendBatch();
    else if (roll < 12) await this.#truncateBack();
    else if (roll < 14) await this.#truncateFront();
    else if (roll < 15) await this.#rotate();
    else if (roll < 17) await this.#ack();
    else await this.#reopen();
    await this.#check();
  }

  async end(): Promise<void> {
    await this.#wal.close();
    assert.deepEqual(this.#machine.disk.openFiles, []);
    assert.deepEqual(this.#machine.disk.violations, []);
  }

  async #append(): Promise<void> {
    const text = this.#model.fresh(this.#random);
    this.trace.push(`append ${text.length}`);
    assert.equal(await this.#wal.append(textBytes(text)), this.#model.append(text));
  }

  /** Several at once: they share a frame, and a truncation can fall into its middle. */
  async #appendTogether(): Promise<void> {
    const texts = Array.from({ length: this.#random.between(2, 9) }, () =>
      this.#model.fresh(this.#random),
    );
    this.trace.push(`append ${texts.length} at once`);
    const lsns = await Promise.all(texts.map((text) => this.#wal.append(textBytes(text))));
    assert.deepEqual(
      lsns,
      texts.map((text) => this.#model.append(text)),
    );
  }

  async #appendBatch(): Promise<void> {
    const texts = Array.from({ length: this.#random.between(1, 7) }, () =>
      this.#model.fresh(this.#random),
    );
    this.trace.push(`batch of ${texts.length}`);
    const { firstLsn } = await this.#wal.appendBatch(texts.map(textBytes));
    assert.equal(firstLsn, this.#model.lastLsn + 1);
    for (const text of texts) this.#model.append(text);
  }

  async #truncateBack(): Promise<void> {
    // As the first write of an opening it moves cursors back too far: see "truncateBack, still to do".
    // Some appends are still under way when the truncation is asked for, some come before it is done.
    const early = this.#random.chance(0.3) ? [this.#model.fresh(this.#random)] : [];
    const earlyAppends = early.map((text) => this.#wal.append(textBytes(text)));
    for (const text of early) this.#model.append(text);
    const { firstLsn, lastLsn } = this.#model;
    const to = this.#random.between(Math.max(firstLsn - 1, lastLsn - 12), lastLsn);
    this.trace.push(`truncateBack(${to}) of ${firstLsn}-${lastLsn}, ${early.length} under way`);
    const truncation = this.#wal.truncateBack(to);
    this.#model.truncateBack(to);
    const late = this.#random.chance(0.5) ? [this.#model.fresh(this.#random)] : [];
    const lateAppends = late.map((text) => this.#wal.append(textBytes(text)));
    assert.deepEqual(
      await Promise.all(earlyAppends),
      early.map(() => lastLsn),
    );
    await truncation;
    assert.deepEqual(
      await Promise.all(lateAppends),
      late.map(() => to + 1),
    );
    for (const text of late) this.#model.append(text);
  }

  async #truncateFront(): Promise<void> {
    const { firstLsn, lastLsn } = this.#model;
    const to = this.#random.between(
      Math.max(1, firstLsn - 2),
      Math.min(lastLsn + 1, firstLsn + 12),
    );
    this.trace.push(`truncateFront(${to}) of ${firstLsn}-${lastLsn}`);
    const late = this.#random.chance(0.5) ? [this.#model.fresh(this.#random)] : [];
    const truncation = this.#wal.truncateFront(to);
    const lateAppends = late.map((text) => this.#wal.append(textBytes(text)));
    await truncation;
    this.#model.truncateFront(to);
    for (const text of late) this.#model.append(text);
    assert.deepEqual(
      await Promise.all(lateAppends),
      late.map(() => this.#model.lastLsn),
    );
  }

  async #rotate(): Promise<void> {
    this.trace.push("rotate");
    await this.#wal.rotate();
  }

  async #ack(): Promise<void> {
    const { cursors, firstLsn, lastLsn } = this.#model;
    const name = this.#random.pick(["a", "b"]);
    const cursor = this.#wal.cursor(name);
    const before = cursors.get(name) ?? firstLsn - 1;
    const lsn = this.#random.between(Math.max(0, Math.min(before, lastLsn)), lastLsn);
    this.trace.push(`${name} acks ${lsn}`);
    await cursor.ack(lsn);
    cursors.set(name, Math.max(before, lsn));
    const lowest = Math.min(...cursors.values());
    const now = this.#wal.positions.firstLsn;
    assert.ok(now <= Math.max(firstLsn, lowest + 1), "released what a cursor holds");
    this.#model.dropBefore(now);
  }

  /** Closed, or killed: then everything that was answered is there all the same. */
  async #reopen(): Promise<void> {
    const recovery = this.#random.pick(["default", "strict"] as const);
    const isKilled = this.#random.chance(0.4);
    this.trace.push(`${isKilled ? "power loss" : "close"}, open ${recovery}`);
    if (!isKilled) await this.#wal.close();
    const disk = isKilled ? this.#machine.disk.onlyDurable() : this.#machine.disk;
    this.#machine = new Machine({ disk, seed: this.#random.uint32() });
    this.#wal = await this.#machine.open({ ...this.#options, recovery });
  }

  async #check(): Promise<void> {
    const { firstLsn, lastLsn, texts, cursors } = this.#model;
    const { positions } = this.#wal;
    assert.deepEqual(
      [positions.firstLsn, positions.appendedLsn, positions.durableLsn],
      [firstLsn, lastLsn, lastLsn],
    );
    const found: string[] = [];
    let expectedLsn = firstLsn;
    for await (const { lsn, payload } of this.#wal.read()) {
      assert.equal(lsn, expectedLsn++);
      found.push(bytesText(payload));
    }
    assert.deepEqual(found, texts);
    for (const [name, lsn] of cursors)
      assert.equal(this.#wal.cursor(name).lsn, lsn, `cursor ${name}`);
    await this.#checkFromTheMiddle();
  }

  async #checkFromTheMiddle(): Promise<void> {
    const { firstLsn, lastLsn, texts } = this.#model;
    if (texts.length === 0) return;
    const from = this.#random.between(firstLsn, lastLsn);
    for await (const { lsn, payload } of this.#wal.read({ from, to: from })) {
      assert.equal(lsn, from);
      assert.equal(bytesText(payload), texts[from - firstLsn]);
    }
  }
}

suite("a log that is truncated at both ends", () => {
  test("is at every moment what an array would be", async () => {
    for (let number = 0; number < RUNS; number++) {
      const run = await Run.begin(combineSeeds("truncation", number));
      try {
        for (let step = 0; step < STEPS_PER_RUN; step++) await run.step();
        await run.end();
      } catch (error) {
        throw new Error(`run ${number}: ${run.trace.join("; ")}: ${String(error)}`, {
          cause: error,
        });
      }
    }
  });
});
