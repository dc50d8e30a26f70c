/**
 * Crashes of the upload protocol, against a real S3 server. A crash is an operation that throws, and all later ones with
 * it: what was done before stays in the bucket, on disk and in the catalog. The next life must end with every row there
 * once, in the bucket, and with nothing left over.
 */
import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CacheDirectory } from "../../src/objects/cache-directory.ts";
import { FileCache } from "../../src/objects/file-cache.ts";
import type { ObjectStorage } from "../../src/objects/object-storage.ts";
import type { ObjectStore } from "../../src/objects/object-store.ts";
import { openS3ObjectStore } from "../../src/objects/s3-object-store.ts";
import {
  batch,
  HOUR_NS,
  interceptedFiles,
  MemoryCatalogDisk,
  one,
  openTestStore,
  rows,
  temporaryDirectory,
  VirtualClock,
} from "../store/store-fixture.ts";
import { TestBucket } from "./bucket.ts";
import { startSwift, SWIFT_MISSING, type SwiftServer } from "./swift-server.ts";

/** Two tables, one of them over two hours: three files, a first one, one in the middle and a last one. */
const RECORD = batch(
  ...rows("db.cpu", 20, { stepNs: HOUR_NS / 20n }).tables,
  ...rows("db.mem", 5).tables,
);
const COUNTS =
  "SELECT (SELECT count(DISTINCT n) FROM db.cpu), (SELECT count(*) FROM db.cpu), " +
  "(SELECT count(*) FROM db.mem)";
const EXPECTED = [20, 20, 5];
/** Longer than the grace of files that have moved. */
const LONG_MS = 120_000;

class Crash extends Error {}

/** Counts steps and, from the chosen one on, lets none through. */
class CrashPoint {
  readonly steps: string[] = [];
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  get happened(): boolean {
    return this.steps.length > this.#at;
  }

  readonly step = (name: string): void => {
    this.steps.push(name);
    if (this.happened) throw new Crash(name);
  };
}

suite("crash during an upload", { skip: SWIFT_MISSING }, () => {
  let swift: SwiftServer;

  before(async () => {
    swift = await startSwift();
  });

  after(async () => {
    await swift.close();
  });

  test("at every step leaves every row there once", async (t) => {
    const crashedAt = new Set<string>();
    for (let at = 0; ; at++) {
      assert.ok(at < 100, "the uploads never end");
      const bucket = await TestBucket.create(swift, `walnut-crash-${at}`);
      const directory = await temporaryDirectory(t);
      const point = await crashAndRecover(directory, bucket, at);
      bucket.close();
      if (!point.happened) break;
      crashedAt.add(point.steps[at] ?? "");
    }
    assert.deepEqual([...crashedAt].toSorted(), [
      "upload-1 after the upload",
      "upload-1 before the upload",
      "upload-3 after the record",
      "upload-3 before the record",
      "upload-4 local name",
    ]);
  });

  test("objects of deleted and rewritten files go, when what took their place is in the bucket", async (t) => {
    const bucket = await TestBucket.create(swift, "walnut-delete");
    t.after(() => bucket.close());
    const directory = await temporaryDirectory(t);
    const s3 = await openS3ObjectStore(bucket.settings());
    const clock = new VirtualClock();
    const objects = await objectStorage(directory, s3, clock);
    const { store } = await openTestStore(directory, new MemoryCatalogDisk(), { objects, clock });
    store.insert(1, RECORD);
    await store.flush();
    await until(() => store.stats().uploads?.pendingFiles === 0);
    const uploaded = await bucket.objects();
    assert.equal(uploaded.size, 3);
    // One file goes, two are rewritten: each had a row of this host.
    const table = { database: "db", measurement: "cpu" };
    const host = { name: "host", value: "host-1" };
    await store.dataLife.deleteRows(table, { tags: [host] });
    await store.dataLife.deleteRows({ database: "db", measurement: "mem" }, { tags: [] });
    const rest = await one(store, "SELECT count(*) FROM db.cpu");
    for (;;) {
      const keys = [...(await bucket.objects()).keys()];
      // The new file is there before an old one goes.
      if (keys.length === 2 && keys.every((key) => !uploaded.has(key))) break;
      clock.advance(LONG_MS);
      await delay(20);
    }
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), rest);
    await store.close();
    await objects.cache.close();
    s3.close();
  });
});

async function crashAndRecover(
  directory: string,
  bucket: TestBucket,
  at: number,
): Promise<CrashPoint> {
  const point = new CrashPoint(at);
  const disk = new MemoryCatalogDisk();
  const s3 = await openS3ObjectStore(bucket.settings());
  await dyingLife({ directory, disk, s3, point });
  disk.beforeAppend = () => undefined;
  disk.afterAppend = () => undefined;
  const name = `${at}: ${point.steps[at]}`;

  // The first life is not closed: it is gone.
  const clock = new VirtualClock();
  const objects = await objectStorage(directory, s3, clock);
  const { store, errors } = await openTestStore(directory, disk, { objects, clock });
  if (store.replayFromLsn === 1) store.insert(1, RECORD);
  await store.flush();
  await until(() => store.stats().uploads?.pendingFiles === 0);
  assert.deepEqual(await one(store, COUNTS), EXPECTED, name);
  const { files } = store.stats();
  assert.equal((await bucket.objects()).size, files, name);
  // Local names go, whichever life has moved them.
  while ((await parquetFiles(directory)).length > 0) {
    clock.advance(LONG_MS);
    await delay(5);
  }
  assert.deepEqual(errors, [], name);
  assert.deepEqual(await one(store, COUNTS), EXPECTED, name);
  await store.close();
  await objects.cache.close();

  // From the bucket and the catalog alone.
  await rm(join(directory, "cache"), { recursive: true });
  const rest = await objectStorage(directory, s3, clock);
  const last = await openTestStore(directory, disk, { objects: rest, clock });
  assert.deepEqual(await one(last.store, COUNTS), EXPECTED, name);
  await last.store.close();
  await rest.cache.close();
  s3.close();
  return point;
}

/** One life of a store that dies at the given step of its uploads, or lives to their end. */
async function dyingLife(options: {
  readonly directory: string;
  readonly disk: MemoryCatalogDisk;
  readonly s3: ObjectStore;
  readonly point: CrashPoint;
}): Promise<void> {
  const { directory, disk, s3, point } = options;
  let open = (): void => undefined;
  const flushed = new Promise<void>((resolve) => (open = resolve));
  const dying: ObjectStore = {
    place: s3.place,
    check: (signal) => s3.check(signal),
    download: (content, path, signal) => s3.download(content, path, signal),
    remove: (key, signal) => s3.remove(key, signal),
    list: (prefix, signal) => s3.list(prefix, signal),
    close: () => undefined,
    async upload(content, path, signal) {
      await flushed;
      point.step("upload-1 before the upload");
      const isNew = await s3.upload(content, path, signal);
      point.step("upload-1 after the upload");
      return isNew;
    },
  };
  const clock = new VirtualClock();
  const objects = await objectStorage(directory, dying, clock);
  const files = interceptedFiles((operation, path) => {
    if (operation === "removeFile" && path.endsWith(".parquet")) point.step("upload-4 local name");
  });
  const { store } = await openTestStore(directory, disk, { objects, clock, files });
  store.insert(1, RECORD);
  await store.flush();
  disk.beforeAppend = () => point.step("upload-3 before the record");
  disk.afterAppend = () => point.step("upload-3 after the record");
  open();
  await until(() => point.happened || store.stats().uploads?.pendingFiles === 0);
  while (!point.happened && (await parquetFiles(directory)).length > 0) {
    clock.advance(LONG_MS);
    await delay(5);
  }
}

async function objectStorage(
  directory: string,
  store: ObjectStore,
  clock: VirtualClock,
): Promise<ObjectStorage> {
  const cacheDirectory = join(directory, "cache");
  const cache = await FileCache.open({
    directory: new CacheDirectory(cacheDirectory),
    store,
    maxBytes: 1_000_000,
    clock,
    random: () => 0.5,
  });
  return {
    store,
    cache,
    cacheDirectory,
    keyOf: (path) => `id/${path}`,
    concurrentUploads: 1,
    releaseLog: "local",
    clock,
    random: () => 0.5,
    close: () => cache.close(),
  };
}

async function parquetFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(join(directory, "parquet"), { recursive: true });
  return names.filter((name) => name.endsWith(".parquet"));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}
