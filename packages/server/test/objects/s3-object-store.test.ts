import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  ObjectStoreError,
  type ObjectContent,
  type ObjectStore,
} from "../../src/objects/object-store.ts";
import { openS3ObjectStore } from "../../src/objects/s3-object-store.ts";
import type { S3Settings } from "../../src/objects/s3-settings.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import {
  startSwift,
  SWIFT_ACCESS_KEY,
  SWIFT_MISSING,
  SWIFT_SECRET_KEY,
  type SwiftServer,
} from "./swift-server.ts";

const BUCKET = "walnut-test";
const MIB = 1024 * 1024;

suite("S3 object store", { skip: SWIFT_MISSING }, () => {
  let swift: SwiftServer;
  let client: S3Client;
  let store: ObjectStore;
  let directory: string;

  before(async () => {
    swift = await startSwift();
    directory = await temporaryDirectory();
    client = new S3Client({
      endpoint: swift.endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: SWIFT_ACCESS_KEY, secretAccessKey: SWIFT_SECRET_KEY },
    });
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    store = await openS3ObjectStore(settings());
  });

  after(async () => {
    store.close();
    client.destroy();
    await swift.close();
  });

  function settings(changes: Partial<S3Settings> = {}): S3Settings {
    return {
      bucket: BUCKET,
      prefix: "",
      region: "us-east-1",
      endpoint: swift.endpoint,
      forcePathStyle: true,
      credentials: { accessKeyId: SWIFT_ACCESS_KEY, secretAccessKey: SWIFT_SECRET_KEY },
      partSizeBytes: 5 * MIB,
      concurrentUploads: 2,
      requestTimeoutMs: 10_000,
      ...changes,
    };
  }

  async function content(key: string, bytes: number): Promise<ObjectContent & { file: string }> {
    const data = randomBytes(bytes);
    const file = join(directory, `${createHash("sha256").update(key).digest("hex")}.source`);
    await writeFile(file, data);
    return { key, bytes, sha256: createHash("sha256").update(data).digest("hex"), file };
  }

  async function failureOf(call: Promise<unknown>): Promise<ObjectStoreError> {
    const error: unknown = await call.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof ObjectStoreError, String(error));
    return error;
  }

  for (const [name, key, bytes] of [
    ["an empty file", "empty.parquet", 0],
    ["a small file", "small.parquet", 1000],
    ["a file as large as a part", "part.parquet", 5 * MIB],
    ["a file of several parts", "parts.parquet", 12 * MIB + 1],
    ["keys with spaces, umlauts, percents and plus signs", "a b/Größe+%20/ü&x=1.parquet", 2000],
  ] as const) {
    test(`brings back ${name}`, async () => {
      const source = await content(key, bytes);
      assert.equal(await store.upload(source, source.file), true);
      const target = join(directory, `${bytes}.target`);
      await store.download(source, target);
      assert.ok((await readFile(target)).equals(await readFile(source.file)));
      // Once more: it is there.
      assert.equal(await store.upload(source, source.file), false);
    });
  }

  test("lists what is below a prefix, over several pages, and removes", async () => {
    const sources = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => await content(`list/${index}`, index + 1)),
    );
    for (const source of sources) await store.upload(source, source.file);
    const other = await content("listed-not", 5);
    await store.upload(other, other.file);
    const listed = new Map<string, number>();
    for await (const { key, bytes } of store.list("list/")) listed.set(key, bytes);
    assert.deepEqual(listed, new Map(sources.map(({ key, bytes }) => [key, bytes])));
    await store.remove("list/0");
    await store.remove("list/0");
    const left: string[] = [];
    for await (const { key } of store.list("list/")) left.push(key);
    assert.equal(left.length, 11);
  });

  test("names an object that is missing, has another size, or other bytes", async () => {
    const source = await content("damage.parquet", 3000);
    const target = join(directory, "damage.target");
    const missing = await failureOf(store.download(source, target));
    assert.equal(missing.kind, "no-object");
    assert.match(missing.message, /damage\.parquet/);
    for (const body of [randomBytes(2999), randomBytes(3001), randomBytes(3000)]) {
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: source.key, Body: body }));
      const failure = await failureOf(store.download(source, target));
      assert.equal(failure.kind, "damaged");
      assert.match(failure.message, /damage\.parquet/);
    }
    // The upload does not take it for its own.
    assert.equal(await store.upload(source, source.file), true);
    await store.download(source, target);
  });

  test("tells a wrong secret and a missing bucket", async () => {
    const source = await content("refused.parquet", 10);
    const credentials = { accessKeyId: SWIFT_ACCESS_KEY, secretAccessKey: "wrong" };
    const wrongSecret = await openS3ObjectStore(settings({ credentials }));
    assert.equal((await failureOf(wrongSecret.check())).kind, "refused");
    assert.equal((await failureOf(wrongSecret.upload(source, source.file))).kind, "refused");
    wrongSecret.close();
    const noBucket = await openS3ObjectStore(settings({ bucket: "not-there" }));
    assert.equal((await failureOf(noBucket.check())).kind, "no-bucket");
    assert.equal((await failureOf(noBucket.upload(source, source.file))).kind, "no-bucket");
    const large = await content("refused-large.parquet", 6 * MIB);
    assert.equal((await failureOf(noBucket.upload(large, large.file))).kind, "no-bucket");
    noBucket.close();
    await store.check();
  });

  test("tells an outage: refused connections, and a server that does not answer", async () => {
    const source = await content("outage.parquet", 10);
    await swift.stopProxy();
    assert.equal((await failureOf(store.upload(source, source.file))).kind, "unavailable");
    await swift.startProxy();
    const impatient = await openS3ObjectStore(settings({ requestTimeoutMs: 200 }));
    swift.freezeProxy();
    assert.equal((await failureOf(impatient.check())).kind, "unavailable");
    swift.thawProxy();
    impatient.close();
    assert.equal(await store.upload(source, source.file), true);
  });

  test("leaves errors of the disk here as they are", async () => {
    const source = await content("disk.parquet", 10);
    await assert.rejects(store.upload(source, join(directory, "not-there")), { code: "ENOENT" });
    await store.upload(source, source.file);
    await assert.rejects(store.download(source, join(directory, "no", "folder")), {
      code: "ENOENT",
    });
  });
});
