/** A spool on a real disk: putting, handing out, acks, restarts, and who gets how much room. */
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { isWalError } from "@walnut/wal";
import {
  DEFAULT_CATEGORIES,
  isSpoolError,
  openSpool,
  type Consumer,
  type Spool,
  type SpoolItem,
  type SpoolOptions,
} from "@walnut/spool";
import { temporaryDirectory } from "./temporary-directory.ts";

const KIB = 1024;

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(item: SpoolItem | undefined): string | undefined {
  return item && new TextDecoder().decode(item.payload);
}

async function open(context: TestContext, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const directory = options.directory ?? temporaryDirectory(context);
  const spool = await openSpool({ categories: ["logging", "keyevent"], ...options, directory });
  context.after(() => spool.close());
  return spool;
}

async function taken(consumer: Consumer, count: number): Promise<readonly SpoolItem[]> {
  const items: SpoolItem[] = [];
  while (items.length < count) {
    const item = await consumer.next();
    assert.ok(item !== undefined);
    items.push(item);
  }
  return items;
}

suite("a spool", () => {
  test("delivers what was put, in order, with its attributes", async (context) => {
    const spool = await open(context);
    await spool.put("logging", bytes("one"), { attributes: { type: "text/plain" } });
    await spool.put("logging", bytes("two"));
    const [one, two] = await taken(spool.consume("logging"), 2);
    assert.deepEqual([textOf(one), one?.lsn, one?.delivery], ["one", 1, 1]);
    assert.deepEqual(one?.attributes, { type: "text/plain" });
    assert.equal(textOf(two), "two");
  });

  test("delivers again after a restart what was not acknowledged", async (context) => {
    const directory = temporaryDirectory(context);
    const first = await open(context, { directory });
    for (const word of ["one", "two", "three"]) await first.put("logging", bytes(word));
    const [one, two, three] = await taken(first.consume("logging"), 3);
    await one?.ack();
    // Behind one that is not done: this ack is only for as long as the spool is open.
    void three?.ack();
    assert.equal(textOf(two), "two");
    await first.close();
    const again = await open(context, { directory });
    const items = await taken(again.consume("logging"), 2);
    assert.deepEqual(items.map(textOf), ["two", "three"]);
  });

  test("hands each item to one of many consumers", async (context) => {
    const spool = await open(context);
    const consumers = Array.from({ length: 4 }, () => spool.consume("logging"));
    const seen: number[] = [];
    const work = consumers.map(async (consumer) => {
      for await (const item of consumer) {
        seen.push(item.lsn);
        void item.ack();
        if (item.lsn === 200) await item.ack();
        if (seen.length === 200) for (const each of consumers) each.close();
      }
    });
    for (let count = 0; count < 200; count++) void spool.put("logging", bytes(`item ${count}`));
    await Promise.all(work);
    assert.deepEqual(
      seen,
      Array.from({ length: 200 }, (_, index) => index + 1),
    );
  });

  test("gives what a consumer gives up to the next one, before what is behind it", async (context) => {
    const spool = await open(context);
    for (const word of ["one", "two", "three", "four"]) await spool.put("logging", bytes(word));
    const [a, b] = [spool.consume("logging"), spool.consume("logging")];
    const [one, two] = await taken(a, 2);
    one?.giveUp();
    const [again] = await taken(b, 1);
    assert.deepEqual([textOf(again), again?.delivery], ["one", 2]);
    assert.equal(textOf(two), "two");
    a.close();
    assert.equal(await a.next(), undefined);
    assert.deepEqual((await taken(b, 3)).map(textOf), ["two", "three", "four"]);
  });

  test("gives all items to each group", async (context) => {
    const spool = await open(context);
    await spool.put("logging", bytes("one"));
    const [a] = await taken(spool.consume("logging", { group: "a" }), 1);
    await a?.ack();
    const [b] = await taken(spool.consume("logging", { group: "b" }), 1);
    assert.equal(textOf(b), "one");
  });

  test("has consumers wait for items, and ends them when it is closed", async (context) => {
    const spool = await open(context);
    const consumer = spool.consume("keyevent");
    const [item] = await Promise.all([consumer.next(), spool.put("keyevent", bytes("late"))]);
    assert.equal(textOf(item), "late");
    const end = consumer.next();
    await spool.close();
    assert.equal(await end, undefined);
    await assert.rejects(spool.put("keyevent", bytes("x")), (error) =>
      isSpoolError(error, "SPOOL_CLOSED"),
    );
  });

  test("that is closed beside acks delivers again exactly those that it refused", async (context) => {
    const directory = temporaryDirectory(context);
    const spool = await open(context, { directory });
    const count = 200;
    const items = Array.from({ length: count }, (_, index) => index);
    await Promise.all(items.map((index) => spool.put("logging", bytes(String(index)))));
    const held = await taken(spool.consume("logging"), count);
    const answers: { item: SpoolItem; isKept: boolean }[] = [];
    // One that is never done holds those behind it; others come while it closes.
    const acks = held.flatMap((item, index) => {
      if (index === 150) return [];
      const ack = index === 180 ? Promise.resolve().then(() => item.ack()) : item.ack();
      return [
        ack.then(
          () => answers.push({ item, isKept: true }),
          (error: unknown) => {
            assert.ok(isSpoolError(error, "SPOOL_CLOSED"), String(error));
            answers.push({ item, isKept: false });
          },
        ),
      ];
    });
    await spool.close();
    await Promise.all(acks);
    const refused = answers.filter(({ isKept }) => !isKept).map(({ item }) => item.lsn);
    assert.ok(held.slice(151).every(({ lsn }) => refused.includes(lsn)));
    const again = await open(context, { directory });
    const expected = [...refused, held[150]?.lsn ?? 0].toSorted((a, b) => a - b);
    const found = await taken(again.consume("logging"), expected.length);
    assert.deepEqual(
      found.map(({ lsn }) => lsn),
      expected,
    );
    const [late] = held.slice(-1);
    await assert.rejects(late?.ack() ?? Promise.resolve(), (error) =>
      isSpoolError(error, "SPOOL_CLOSED"),
    );
  });

  for (const durability of ["interval", "async", "memory"] as const) {
    test(`delivers at level ${durability} too`, async (context) => {
      const spool = await open(context, { durability });
      // The timers of a log do not keep a process alive.
      const alive = setInterval(() => undefined, 1_000);
      context.after(() => clearInterval(alive));
      const consumer = spool.consume("logging");
      for (let count = 1; count <= 20; count++) await spool.put("logging", bytes(String(count)));
      assert.equal((await taken(consumer, 20)).length, 20);
    });
  }

  test("refuses categories that are not configured and items that are too large", async (context) => {
    const spool = await open(context, { maxItemBytes: 1000 });
    await assert.rejects(spool.put("loging", bytes("x")), (error) =>
      isSpoolError(error, "SPOOL_UNKNOWN_CATEGORY"),
    );
    await assert.rejects(spool.put("logging", new Uint8Array(1001)), (error) =>
      isSpoolError(error, "SPOOL_ITEM_TOO_LARGE"),
    );
    await spool.put("logging", new Uint8Array(1000));
  });

  test("is opened once", async (context) => {
    const directory = temporaryDirectory(context);
    await open(context, { directory });
    await assert.rejects(open(context, { directory }), (error) => isWalError(error, "WAL_LOCKED"));
  });

  test("has a directory for each category, and no log where there is no item", async (context) => {
    const directory = temporaryDirectory(context);
    const spool = await openSpool({ directory });
    await spool.put("logging", bytes("one"));
    assert.deepEqual(readdirSync(directory), DEFAULT_CATEGORIES.toSorted());
    for (const name of DEFAULT_CATEGORIES) {
      const files = readdirSync(join(directory, name));
      assert.equal(
        files.some((file) => file.endsWith(".wal")),
        name === "logging",
      );
      const size = files.reduce((sum, file) => sum + statSync(join(directory, name, file)).size, 0);
      if (name !== "logging") assert.ok(size < 4 * KIB, `${name}: ${size}`);
    }
    await spool.close();
  });
});

suite("a spool that is full", () => {
  const SMALL = {
    segmentSizeBytes: 16 * KIB,
    maxTotalBytes: 512 * KIB,
    guaranteedBytes: 64 * KIB,
    reserveFreeBytes: 0,
  } as const;
  const item = new Uint8Array(2 * KIB);

  /** Puts until one is refused. */
  async function flood(spool: Spool, category: string): Promise<number> {
    for (let count = 0; ; count++) {
      try {
        await spool.put(category, item);
      } catch (error) {
        assert.ok(isWalError(error, "WAL_NO_SPACE"), String(error));
        return count;
      }
    }
  }

  test("keeps what is guaranteed: a flood of logging does not starve keyevent", async (context) => {
    const spool = await open(context, SMALL);
    const flooded = await flood(spool, "logging");
    assert.ok(flooded * 2 * KIB > 400 * KIB, `${flooded} items`);
    for (let count = 0; count < 25; count++) await spool.put("keyevent", item);
    assert.equal(spool.status().categories[0]?.refusedItems, 1);
  });

  test("takes items again when others are done", async (context) => {
    const spool = await open(context, SMALL);
    const flooded = await flood(spool, "logging");
    const consumer = spool.consume("logging");
    await Promise.all((await taken(consumer, flooded)).map((one) => one.ack()));
    await spool.put("logging", item).catch(() => undefined);
    const refilled = await flood(spool, "logging");
    assert.ok(refilled > flooded / 2, `${refilled} of ${flooded}`);
  });

  test("gives up at the deadline with policy block", async (context) => {
    const spool = await open(context, { ...SMALL, whenFull: "block", blockTimeoutMs: 100 });
    assert.ok((await flood(spool, "logging")) > 0);
    assert.equal(spool.category("logging").status().refusedItems, 1);
  });

  test("waits for room with policy block", async (context) => {
    const spool = await open(context, { ...SMALL, whenFull: "block", blockTimeoutMs: 60_000 });
    const puts: Promise<{ readonly lsn: number }>[] = [];
    const waiting = (): number => spool.category("logging").status().waitingForRoom;
    while (waiting() === 0) {
      puts.push(spool.put("logging", item));
      if (puts.length % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const stored = puts.length - waiting();
    const consumer = spool.consume("logging");
    for (let count = 0; count < stored; count++) void (await consumer.next())?.ack();
    assert.equal((await puts.at(-1))?.lsn, puts.length);
    await Promise.all(puts);
  });

  test("waits for ever with policy never-drop", async (context) => {
    const spool = await open(context, {
      ...SMALL,
      categories: [{ name: "logging", whenFull: "never-drop", blockTimeoutMs: 50 }],
    });
    const puts = Array.from({ length: 300 }, () => spool.put("logging", item));
    const consumer = spool.consume("logging");
    const seen: number[] = [];
    while (seen.length < 300) {
      const next = await consumer.next();
      seen.push(next?.lsn ?? 0);
      void next?.ack();
    }
    await Promise.all(puts);
    assert.equal(new Set(seen).size, 300);
  });

  test("drops the oldest with policy drop-oldest, and says how much", async (context) => {
    const spool = await open(context, { ...SMALL, whenFull: "drop-oldest" });
    const consumer = spool.consume("logging");
    for (let count = 0; count < 400; count++) await spool.put("logging", item);
    const first = await consumer.next();
    assert.ok((first?.lsn ?? 0) > 100);
    const { dropped } = spool.category("logging").status();
    assert.equal(dropped.oldestRecords, (first?.lsn ?? 0) - 1);
    assert.ok(dropped.oldestBytes > dropped.oldestRecords * item.length);
    assert.equal(dropped.oldestRanges.at(-1)?.lastLsn, (first?.lsn ?? 0) - 1);
    let last = first;
    while (last?.lsn !== 400) last = await consumer.next();
  });

  test("drops what comes with policy drop-newest, and says how much", async (context) => {
    const spool = await open(context, { ...SMALL, whenFull: "drop-newest" });
    let kept = 0;
    for (let count = 0; count < 400; count++) {
      if ((await spool.put("logging", item)).lsn > 0) kept += 1;
    }
    const { dropped } = spool.category("logging").status();
    assert.equal(dropped.newestRecords, 400 - kept);
    assert.ok(dropped.newestBytes > dropped.newestRecords * item.length);
    assert.equal((await taken(spool.consume("logging"), kept)).at(-1)?.lsn, kept);
  });
});
