/** The cache on a real directory, with a bucket in memory that can be made to wait, to fail and to lie. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CacheDirectory } from "../../src/objects/cache-directory.ts";
import { FileCache } from "../../src/objects/file-cache.ts";
import {
  ObjectStoreError,
  type ObjectContent,
  type ObjectStore,
} from "../../src/objects/object-store.ts";
import { temporaryDirectory, VirtualClock } from "../store/store-fixture.ts";

const NEVER = new AbortController().signal;

/** Objects of the given sizes: "a" is 100 times the letter a. */
function content(letter: string, bytes = 100): ObjectContent {
  const sha256 = createHash("sha256").update(letter.repeat(bytes)).digest("hex");
  return { key: `key-${letter}`, bytes, sha256 };
}

class MemoryBucket implements ObjectStore {
  readonly place = "memory";
  readonly downloads: string[] = [];
  /** Called before an object is written. */
  beforeWrite: (key: string) => Promise<void> = async () => await Promise.resolve();

  check(): Promise<void> {
    return Promise.resolve();
  }

  upload(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async download({ key, bytes }: ObjectContent, filePath: string): Promise<void> {
    this.downloads.push(key);
    await writeFile(filePath, "half");
    await this.beforeWrite(key);
    await writeFile(filePath, key.slice(4).repeat(bytes));
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }

  async *list(): AsyncGenerator<never> {}

  close(): void {}
}

interface Bench {
  readonly bucket: MemoryBucket;
  readonly clock: VirtualClock;
  readonly directory: string;
  readonly open: (maxBytes?: number, freeBytes?: number) => Promise<FileCache>;
}

async function bench(t: { after(fn: () => Promise<void>): void }): Promise<Bench> {
  const directory = await temporaryDirectory(t);
  const bucket = new MemoryBucket();
  const clock = new VirtualClock();
  return {
    bucket,
    clock,
    directory,
    open: async (maxBytes = 300, freeBytes = Infinity) =>
      await FileCache.open({
        directory: new CacheDirectory(directory, () => Promise.resolve(freeBytes)),
        store: bucket,
        maxBytes,
        clock,
        random: () => 0,
      }),
  };
}

async function use(cache: FileCache, ...letters: readonly string[]): Promise<void> {
  const lease = await cache.acquire(
    letters.map((letter) => content(letter)),
    NEVER,
  );
  lease.release();
}

suite("FileCache", () => {
  test("fetches a file once for all who want it, and gives its bytes", async (t) => {
    const { bucket, open } = await bench(t);
    const cache = await open();
    const leases = await Promise.all(
      [1, 2, 3].map(async () => await cache.acquire([content("a")], NEVER)),
    );
    assert.deepEqual(bucket.downloads, ["key-a"]);
    const path = leases[0]?.pathOf(content("a").sha256) ?? "";
    assert.equal(await readFile(path, "utf8"), "a".repeat(100));
    for (const lease of leases) lease.release();
    await use(cache, "a");
    assert.equal(bucket.downloads.length, 1);
  });

  test("removes what was not used for longest", async (t) => {
    const { bucket, open } = await bench(t);
    const cache = await open();
    await use(cache, "a", "b", "c");
    await use(cache, "a");
    await use(cache, "d");
    bucket.downloads.length = 0;
    await use(cache, "a", "c", "d");
    assert.deepEqual(bucket.downloads, []);
    await use(cache, "b");
    assert.deepEqual(bucket.downloads, ["key-b"]);
    assert.equal(cache.stats.evictions, 2);
    assert.equal(cache.stats.bytes, 300);
  });

  test("lets a query wait until there is room beside what others read", async (t) => {
    const { open } = await bench(t);
    const cache = await open();
    const first = await cache.acquire([content("a"), content("b")], NEVER);
    let isIn = false;
    const second = cache
      .acquire([content("b"), content("c"), content("d")], NEVER)
      .then((lease) => {
        isIn = true;
        return lease;
      });
    // In order: a small one does not overtake.
    const third = cache.acquire([content("c")], NEVER);
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    assert.equal(isIn, false);
    first.release();
    (await second).release();
    (await third).release();
    assert.ok(cache.stats.bytes <= 300);
  });

  test("forgets a query that gave up waiting", async (t) => {
    const { open } = await bench(t);
    const cache = await open();
    const first = await cache.acquire([content("a"), content("b"), content("c")], NEVER);
    const stop = new AbortController();
    const waiting = cache.acquire([content("d")], stop.signal);
    stop.abort(new Error("given up"));
    await assert.rejects(waiting, /given up/);
    first.release();
    await use(cache, "d");
  });

  test("goes on fetching for others when the first query gives up", async (t) => {
    const { bucket, open } = await bench(t);
    const cache = await open();
    let go = (): void => undefined;
    const released = new Promise<void>((resolve) => (go = resolve));
    let isUnderWay = false;
    bucket.beforeWrite = async () => {
      isUnderWay = true;
      await released;
    };
    const stop = new AbortController();
    const first = cache.acquire([content("a")], stop.signal);
    const second = cache.acquire([content("a")], NEVER);
    while (!isUnderWay) await nextTurn();
    stop.abort(new Error("given up"));
    await assert.rejects(first, /given up/);
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    go();
    (await second).release();
    assert.deepEqual(bucket.downloads, ["key-a"]);
  });

  test("refuses what can never fit", async (t) => {
    const { open } = await bench(t);
    const cache = await open();
    await assert.rejects(cache.acquire([content("a", 301)], NEVER), {
      code: "SERVER_QUERY_FAILED",
      details: { neededBytes: 301, cacheMaxBytes: 300 },
    });
  });

  test("gives an error on a full disk, after it has made what room it can", async (t) => {
    const { directory, open } = await bench(t);
    await use(await open(), "a");
    const cache = await open(300, 1000);
    await assert.rejects(cache.acquire([content("b")], NEVER), { code: "SERVER_QUERY_FAILED" });
    const names = await readdir(directory, { recursive: true });
    assert.deepEqual(
      names.filter((name) => name.includes("parquet")),
      [],
    );
  });

  test("tries again when the bucket is away for a moment, and leaves no half files", async (t) => {
    const { bucket, clock, directory, open } = await bench(t);
    const cache = await open();
    let failures = 2;
    bucket.beforeWrite = async () => {
      await Promise.resolve();
      if (failures-- > 0) throw new ObjectStoreError("unavailable", "away");
    };
    const acquired = cache.acquire([content("a")], NEVER);
    let isDone = false;
    void acquired.then(() => (isDone = true));
    while (!isDone) {
      clock.advance(1000);
      await nextTurn();
    }
    assert.equal(bucket.downloads.length, 3);
    failures = 99;
    const failing = assert.rejects(cache.acquire([content("b")], NEVER), {
      code: "SERVER_OBJECT_STORE_UNAVAILABLE",
    });
    let hasFailed = false;
    void failing.then(() => (hasFailed = true));
    while (!hasFailed) {
      clock.advance(1000);
      await nextTurn();
    }
    const names = await readdir(directory, { recursive: true });
    assert.equal(names.filter((name) => name.includes("parquet")).length, 1);
  });

  test("keeps what it has over a restart, and drops what is not whole", async (t) => {
    const { bucket, directory, open } = await bench(t);
    await use(await open(), "a", "b");
    const folder = content("a").sha256.slice(0, 2);
    await writeFile(join(directory, folder, `.${content("c").sha256}-100.parquet.tmp`), "half");
    const cut = `${content("b").sha256}-100.parquet`;
    await writeFile(join(directory, content("b").sha256.slice(0, 2), cut), "short");
    bucket.downloads.length = 0;
    const cache = await open();
    await use(cache, "a", "b");
    assert.deepEqual(bucket.downloads, ["key-b"]);
    const names = await readdir(directory, { recursive: true });
    assert.equal(names.filter((name) => name.endsWith(".tmp")).length, 0);
  });

  test("takes over a file that is here already", async (t) => {
    const { bucket, directory, open } = await bench(t);
    const cache = await open();
    const file = join(directory, "local.parquet");
    await writeFile(file, "a".repeat(100));
    await cache.adopt(content("a"), file);
    await use(cache, "a");
    assert.deepEqual(bucket.downloads, []);
  });

  test("ends downloads and those who wait when it is closed", async (t) => {
    const { open } = await bench(t);
    const cache = await open();
    const held = await cache.acquire([content("a"), content("b"), content("c")], NEVER);
    const waiting = assert.rejects(cache.acquire([content("d")], NEVER), {
      code: "SERVER_NOT_READY",
    });
    await cache.close();
    await waiting;
    held.release();
  });
});
