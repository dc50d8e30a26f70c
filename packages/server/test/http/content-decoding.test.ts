import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { ByteBudget } from "../../src/byte-budget.ts";
import { ServerError, type ServerErrorCode } from "../../src/errors.ts";
import { decodeContent, SYNC_GUNZIP_MAX_BYTES } from "../../src/http/content-decoding.ts";

const ROOMY = 1_000_000_000;
const ROOMY_BUDGET = 4 * ROOMY;

async function decode(
  body: Uint8Array,
  encoding: string | undefined,
  maxBytes = ROOMY,
  budgetBytes = ROOMY_BUDGET,
): Promise<Uint8Array> {
  const lease = new ByteBudget(budgetBytes).lease();
  lease.growTo(body.byteLength);
  return decodeContent(body, encoding, { maxBytes, lease });
}

function hasCode(code: ServerErrorCode) {
  return (error: unknown): boolean => error instanceof ServerError && error.code === code;
}

/** Bodies whose compressed form takes the synchronous and the asynchronous way. */
const SMALL = Buffer.from("cpu value=1 1\n".repeat(100));
const LARGE = randomBytes(2 * SYNC_GUNZIP_MAX_BYTES);

suite("decodeContent", () => {
  test("leaves identity bodies alone", async () => {
    assert.equal(await decode(SMALL, "identity"), SMALL);
    assert.equal(await decode(SMALL, undefined), SMALL);
  });

  for (const [size, body] of [
    ["small", SMALL],
    ["large", LARGE],
  ] as const) {
    test(`decompresses a ${size} gzip body, named or recognised`, async () => {
      for (const encoding of ["gzip", "x-gzip", "GZIP", undefined]) {
        assert.deepEqual(Buffer.from(await decode(gzipSync(body), encoding)), body);
      }
    });

    test(`allows a ${size} body of exactly the limit and not a byte more`, async () => {
      const sent = gzipSync(body);
      assert.equal((await decode(sent, "gzip", body.byteLength)).byteLength, body.byteLength);
      await assert.rejects(decode(sent, "gzip", body.byteLength - 1), hasCode("SERVER_TOO_LARGE"));
    });

    test(`names damage in a ${size} gzip body`, async () => {
      const sent = gzipSync(body);
      const cut = sent.subarray(0, -9);
      await assert.rejects(decode(cut, "gzip"), hasCode("SERVER_INVALID_REQUEST"));
      const flipped = Uint8Array.from(sent);
      flipped[sent.byteLength - 6] = (flipped[sent.byteLength - 6] ?? 0) ^ 1; // In the CRC.
      await assert.rejects(decode(flipped, "gzip"), hasCode("SERVER_INVALID_REQUEST"));
    });

    test(`accounts a decompressed ${size} body`, async () => {
      const sent = gzipSync(body);
      const exact = sent.byteLength + body.byteLength;
      await decode(sent, "gzip", ROOMY, exact);
      await assert.rejects(decode(sent, "gzip", ROOMY, exact - 1), hasCode("SERVER_OVERLOADED"));
    });
  }

  test("joins the members of a gzip body", async () => {
    const sent = Buffer.concat([gzipSync("a v=1\n"), gzipSync("b v=2\n")]);
    assert.equal(Buffer.from(await decode(sent, "gzip")).toString(), "a v=1\nb v=2\n");
  });

  test("refuses a bomb before it is inflated", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    await assert.rejects(decode(bomb, "gzip", 1_000_000), hasCode("SERVER_TOO_LARGE"));
  });

  test("accounts what grows beyond its claim while it grows", async () => {
    const members = [gzipSync(Buffer.alloc(72 * 1024 * 1024)), gzipSync("the end")];
    const small = Buffer.concat(members);
    assert.ok(small.byteLength > SYNC_GUNZIP_MAX_BYTES);
    await assert.rejects(
      decode(small, "gzip", ROOMY, 2 * 1024 * 1024),
      hasCode("SERVER_OVERLOADED"),
    );
    assert.equal((await decode(small, "gzip")).byteLength, 72 * 1024 * 1024 + 7);
  });

  test("does not inflate more than a little while others wait", async () => {
    const body = gzipSync(Buffer.alloc(32 * 1024 * 1024));
    assert.ok(body.byteLength < SYNC_GUNZIP_MAX_BYTES);
    const decoding = decode(body, "gzip");
    let turns = 0;
    let isDone = false;
    void decoding.then(() => (isDone = true));
    while (!isDone) {
      await new Promise(setImmediate);
      turns++;
    }
    assert.equal((await decoding).byteLength, 32 * 1024 * 1024);
    assert.ok(turns > 3, `${turns} turns of the event loop`);
  });

  test("refuses other encodings", async () => {
    for (const encoding of ["br", "deflate", "zstd", "gzip, gzip"]) {
      await assert.rejects(decode(SMALL, encoding), hasCode("SERVER_UNSUPPORTED_ENCODING"));
    }
  });

  test("refuses a body that is not what its header says", async () => {
    await assert.rejects(decode(SMALL, "gzip"), hasCode("SERVER_INVALID_REQUEST"));
    await assert.rejects(decode(new Uint8Array(0), "gzip"), hasCode("SERVER_INVALID_REQUEST"));
  });
});
