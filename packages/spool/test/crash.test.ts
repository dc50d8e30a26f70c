/**
 * Power loss and kill -9 at every moment of putting, taking and acknowledging: what was put is delivered, in order and once, but for
 * what was acknowledged durably; and what was acknowledged durably does not come again.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  combineSeeds,
  crashEverywhere,
  SeededRandom,
  Simulation,
  type SimulatedDisk,
  type SimulatedEnvironment,
} from "@walnut/testkit";
import { openSpoolWith, type Spool, type SpoolItem } from "@walnut/spool";

const SEEDS = Number(process.env["WALNUT_SPOOL_CRASH_SEEDS"] ?? "3");
const ITEMS = 10;
const CATEGORY = "logging";

function open(environment: SimulatedEnvironment): Promise<Spool> {
  return openSpoolWith(environment, {
    directory: "/spool",
    categories: [CATEGORY, "metric"],
    segmentSizeBytes: 8 * 1024,
    maxTotalBytes: 1024 * 1024,
    reserveFreeBytes: 0,
  });
}

/** The content of an item says which one it is; sizes differ, so that segments end anywhere. */
function payloadOf(lsn: number): Uint8Array {
  return new Uint8Array(300 + ((lsn * 997) % 2500)).fill(lsn);
}

/** What a history was answered. */
class History {
  /** Put and answered, and asked for. */
  putLsn = 0;
  sentLsn = 0;
  /** Acknowledged and answered, and asked for. */
  ackedLsn = 0;
  ackSentLsn = 0;

  async run(environment: SimulatedEnvironment, seed: number): Promise<void> {
    const random = new SeededRandom(seed);
    const spool = await open(environment);
    const consumer = spool.consume(CATEGORY);
    const held: SpoolItem[] = [];
    while (this.ackedLsn < ITEMS) {
      const isPutting = this.sentLsn < ITEMS && random.chance(0.6);
      if (isPutting) await this.#put(spool, random.between(1, 3));
      else if (held.length + this.ackedLsn < this.putLsn) await take(consumer, held, random);
      else if (held.length > 0) await this.#ack(held);
    }
    await spool.close();
  }

  async #put(spool: Spool, count: number): Promise<void> {
    const puts: Promise<unknown>[] = [];
    for (let each = 0; each < count && this.sentLsn < ITEMS; each++) {
      this.sentLsn += 1;
      puts.push(spool.put(CATEGORY, payloadOf(this.sentLsn)));
    }
    await Promise.all(puts);
    this.putLsn = this.sentLsn;
  }

  async #ack(held: SpoolItem[]): Promise<void> {
    const items = held.splice(0);
    this.ackSentLsn = items.at(-1)?.lsn ?? this.ackSentLsn;
    await Promise.all(items.toReversed().map((item) => item.ack()));
    this.ackedLsn = this.ackSentLsn;
  }

  async judge(disk: SimulatedDisk, seed: number): Promise<void> {
    const simulation = new Simulation({ seed, disk });
    const end = await simulation.run(async (environment) => {
      const spool = await open(environment);
      const { lastLsn } = spool.category(CATEGORY);
      assert.ok(lastLsn >= this.putLsn, `put ${this.putLsn}, there ${lastLsn}`);
      assert.ok(lastLsn <= this.sentLsn);
      const next = await spool.put(CATEGORY, payloadOf(lastLsn + 1));
      assert.equal(next.lsn, lastLsn + 1);
      const consumer = spool.consume(CATEGORY);
      const first = await consumer.next();
      const firstLsn = first?.lsn ?? 0;
      assert.ok(firstLsn > this.ackedLsn, `acknowledged ${this.ackedLsn}, delivered ${firstLsn}`);
      assert.ok(firstLsn <= this.ackSentLsn + 1);
      let item = first;
      for (let lsn = firstLsn; lsn <= next.lsn; lsn++) {
        assert.equal(item?.lsn, lsn);
        assert.deepEqual(item?.payload, payloadOf(lsn));
        if (lsn < next.lsn) item = await consumer.next();
      }
      await spool.close();
    });
    if (end.kind === "failed") throw end.error;
    assert.equal(end.kind, "done");
  }
}

async function take(
  consumer: { next(): Promise<SpoolItem | undefined> },
  held: SpoolItem[],
  random: SeededRandom,
): Promise<void> {
  const item = await consumer.next();
  assert.ok(item !== undefined);
  if (random.chance(0.2)) {
    item.giveUp();
    const again = await consumer.next();
    assert.equal(again?.lsn, item.lsn);
    held.push(again ?? item);
  } else held.push(item);
}

suite("a spool after a crash", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`has every item that was put and not acknowledged, seed ${seed}`, async (context) => {
      const history = new History();
      const judged = await crashEverywhere({
        seed,
        run: (environment) => history.run(environment, combineSeeds(seed, "operations")),
        judge: (disk) => history.judge(disk, seed),
        stamp: () =>
          `${history.putLsn} ${history.sentLsn} ${history.ackedLsn} ${history.ackSentLsn}`,
      });
      assert.ok(judged > 100);
      context.diagnostic(`${judged} states`);
    });
  }
});
