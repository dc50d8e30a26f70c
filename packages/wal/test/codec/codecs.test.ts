import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import * as zlib from "node:zlib";
import { SeededRandom } from "@walnut/testkit";
import { CODEC_NAMES, CodecRegistry, type Codec } from "../../src/codec/codecs.ts";
import { everyBitFlipped } from "../every-bit.ts";

const COMPRESSING = ["deflate", "snappy", "lz4", "zstd"] as const;

/** Node 22.15 and later bring zstd along. */
const HAS_ZSTD = "zstdCompressSync" in zlib;

const random = new SeededRandom(20);
const BODIES: readonly { readonly what: string; readonly body: Uint8Array }[] = [
  { what: "one byte", body: Uint8Array.of(7) },
  { what: "four zeros", body: new Uint8Array(4) },
  { what: "text that repeats", body: Buffer.from("cpu,host=a usage=1.5 ".repeat(200)) },
  { what: "random bytes", body: random.bytes(5000) },
  { what: "128 KiB of zeros", body: new Uint8Array(128 * 1024) },
  { what: "a view into larger memory", body: random.bytes(3000).subarray(11, 2001) },
];

async function load(name: (typeof COMPRESSING)[number]): Promise<Codec> {
  return await new CodecRegistry().load(name);
}

suite("codecs", () => {
  test("have the ids that stand in files", () => {
    assert.deepEqual(CODEC_NAMES, ["none", "deflate", "snappy", "lz4", "zstd"]);
  });

  for (const name of COMPRESSING) {
    suite(name, () => {
      test("has the id of its place in the list", async () => {
        const codec = await load(name);
        assert.equal(codec.name, name);
        assert.equal(CODEC_NAMES[codec.id], name);
      });

      for (const { what, body } of BODIES) {
        test(`gives back ${what}, compressed on this thread or beside it`, async () => {
          const codec = await load(name);
          for (const stored of [codec.compress(body), await codec.compressAsync(body)]) {
            const raw = codec.decompress(stored, body.byteLength);
            assert.ok(raw !== undefined);
            assert.deepEqual(Uint8Array.from(raw), Uint8Array.from(body));
          }
        });
      }

      test("leaves the bytes that it is given as they are", async () => {
        const codec = await load(name);
        const body = Buffer.from("abcabcabcabc".repeat(20));
        const before = Uint8Array.from(body);
        const stored = codec.compress(body);
        const storedBefore = Uint8Array.from(stored);
        codec.decompress(stored, body.byteLength);
        assert.deepEqual(Uint8Array.from(body), before);
        assert.deepEqual(Uint8Array.from(stored), storedBefore);
      });

      test("shrinks what repeats", async () => {
        const codec = await load(name);
        assert.ok(codec.compress(new Uint8Array(64 * 1024)).byteLength < 4096);
      });

      test("refuses a block that does not hold as many bytes as the frame says", async () => {
        const codec = await load(name);
        const body = Buffer.from("walnut ".repeat(50));
        const stored = codec.compress(body);
        for (const rawBytes of [0, 1, body.byteLength - 1, body.byteLength + 1, 2 ** 31 - 1]) {
          assert.equal(codec.decompress(stored, rawBytes), undefined, `${rawBytes} bytes`);
        }
      });

      test("never throws on a cut or changed block, and never gives another length", async () => {
        const codec = await load(name);
        const body = Buffer.from("a block of the log ".repeat(10));
        const stored = Uint8Array.from(codec.compress(body));
        for (let length = 0; length < stored.byteLength; length++) {
          const raw = codec.decompress(stored.slice(0, length), body.byteLength);
          assert.ok(raw === undefined || raw.byteLength === body.byteLength);
        }
        for (const { bytes } of everyBitFlipped(stored)) {
          const raw = codec.decompress(bytes, body.byteLength);
          assert.ok(raw === undefined || raw.byteLength === body.byteLength);
        }
      });

      test("refuses random bytes without using memory for what they claim", async () => {
        const codec = await load(name);
        const before = process.memoryUsage().rss;
        for (let round = 0; round < 300; round++) {
          const stored = random.bytes(random.between(0, 64));
          const raw = codec.decompress(stored, 100);
          assert.ok(raw === undefined || raw.byteLength === 100);
        }
        const grownBytes = process.memoryUsage().rss - before;
        assert.ok(grownBytes < 256 * 1024 * 1024, `grew by ${grownBytes} bytes`);
      });
    });
  }

  test("are loaded once", async () => {
    const registry = new CodecRegistry();
    assert.equal(registry.get(2), undefined);
    const snappy = await registry.load("snappy");
    assert.equal(await registry.load("snappy"), snappy);
    assert.equal(await registry.loadById(2), snappy);
    assert.equal(registry.get(2), snappy);
  });

  for (const id of [0, 5, 255]) {
    test(`have nothing to load for id ${id}`, async () => {
      const registry = new CodecRegistry();
      assert.equal(await registry.loadById(id), undefined);
      assert.equal(registry.get(id), undefined);
    });
  }
});

suite("hostile blocks", () => {
  /** A snappy or lz4 block that claims `claimedBytes`, with a few bytes behind. */
  const claims = [
    { name: "snappy", stored: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61) },
    { name: "snappy", stored: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x61) },
    { name: "snappy", stored: Uint8Array.of(0x80) },
    { name: "lz4", stored: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x10, 0x61) },
    { name: "lz4", stored: Uint8Array.of(0xff, 0xff, 0xff) },
  ] as const;
  for (const { name, stored } of claims) {
    test(`${name} refuses ${Buffer.from(stored).toString("hex")} before allocating`, async () => {
      const codec = await load(name);
      assert.equal(codec.decompress(stored, 100), undefined);
    });
  }

  const bomb = Buffer.alloc(64 * 1024 * 1024);

  test("deflate stops at the length that the frame says", async () => {
    const codec = await load("deflate");
    const before = process.memoryUsage();
    assert.equal(codec.decompress(zlib.deflateRawSync(bomb), 100), undefined);
    assert.ok(process.memoryUsage().arrayBuffers - before.arrayBuffers < 8 * 1024 * 1024);
  });

  test("zstd refuses a block whose own header claims another length", async () => {
    const codec = await load("zstd");
    const stored = Uint8Array.from(codec.compress(bomb));
    const before = process.memoryUsage();
    assert.equal(codec.decompress(stored, 100), undefined);
    assert.ok(process.memoryUsage().arrayBuffers - before.arrayBuffers < 8 * 1024 * 1024);
  });
});

suite("a codec whose package is missing", () => {
  // Packages with a binary cannot be unloaded, so this runs in a process that refuses to find them.
  const source = `
    import { register } from "node:module";
    const hooks = "export async function resolve(name, context, next) {" +
      "  if (/^(snappy|lz4-napi|@cloudpss.zstd)$/.test(name)) {" +
      "    throw Object.assign(new Error('not installed: ' + name), { code: 'ERR_MODULE_NOT_FOUND' });" +
      "  }" +
      "  return next(name, context);" +
      "}";
    register("data:text/javascript," + encodeURIComponent(hooks));
    const { CodecRegistry } = await import(process.env.CODECS_URL);
    const results = [];
    for (const name of ["deflate", "snappy", "lz4", "zstd"]) {
      try {
        await new CodecRegistry().load(name);
        results.push({ name, outcome: "loaded" });
      } catch (error) {
        const { code, details, cause } = error;
        results.push({ name, outcome: code, details, hasCause: cause instanceof Error });
      }
    }
    console.log(JSON.stringify(results));
  `;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", source],
    {
      encoding: "utf8",
      env: {
        ...process.env,
        CODECS_URL: new URL("../../src/codec/codecs.ts", import.meta.url).href,
      },
    },
  );
  const results: readonly Record<string, unknown>[] = status === 0 ? JSON.parse(stdout) : [];

  test("is refused with WAL_CODEC_MISSING and the name of what to install", () => {
    assert.equal(status, 0, stderr);
    const missing = (codec: string, packageName: string): Record<string, unknown> => ({
      name: codec,
      outcome: "WAL_CODEC_MISSING",
      details: { codec, package: packageName },
      hasCause: true,
    });
    assert.deepEqual(results, [
      { name: "deflate", outcome: "loaded" },
      missing("snappy", "snappy"),
      missing("lz4", "lz4-napi"),
      HAS_ZSTD ? { name: "zstd", outcome: "loaded" } : missing("zstd", "@cloudpss/zstd"),
    ]);
  });
});
