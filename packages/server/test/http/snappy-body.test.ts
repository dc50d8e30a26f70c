import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { compressSync } from "snappy";
import { ByteBudget } from "../../src/byte-budget.ts";
import { ServerError } from "../../src/errors.ts";
import { decodeSnappyBlock } from "../../src/http/snappy-body.ts";

function limits(maxBytes: number, budget = maxBytes * 4): Parameters<typeof decodeSnappyBlock>[1] {
  return { maxBytes, lease: new ByteBudget(budget).lease() };
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ServerError && error.code === code;
}

suite("decodeSnappyBlock", () => {
  test("small and large blocks, compressible or not", async () => {
    for (const content of [Buffer.from("a"), randomBytes(70_000), Buffer.alloc(3_000_000, "ab")]) {
      const decoded = await decodeSnappyBlock(compressSync(content), limits(3_000_000));
      assert.ok(content.equals(decoded));
    }
  });

  test("exactly the limit is accepted, one byte more is not", async () => {
    const body = compressSync(randomBytes(1_000));
    assert.equal((await decodeSnappyBlock(body, limits(1_000))).byteLength, 1_000);
    await assert.rejects(decodeSnappyBlock(body, limits(999)), hasCode("SERVER_TOO_LARGE"));
  });

  test("a claim is accounted before it is believed, and refused where it cannot be true", async () => {
    const body = compressSync(Buffer.alloc(100_000));
    await assert.rejects(
      decodeSnappyBlock(body, limits(1_000_000, 50_000)),
      hasCode("SERVER_OVERLOADED"),
    );
    // 64 MiB in seven bytes.
    const bomb = Buffer.from("8080802001aabb", "hex");
    await assert.rejects(
      decodeSnappyBlock(bomb, limits(2 ** 30)),
      hasCode("SERVER_INVALID_REQUEST"),
    );
  });

  test("damage of every kind is refused", async () => {
    const whole = compressSync(Buffer.from("some text some text some text"));
    for (let length = 0; length < whole.length; length++) {
      await assert.rejects(
        decodeSnappyBlock(whole.subarray(0, length), limits(1_000)),
        hasCode("SERVER_INVALID_REQUEST"),
      );
    }
    for (const hex of ["ffffffffff01", "0501aa", "0afe010203"]) {
      await assert.rejects(
        decodeSnappyBlock(Buffer.from(hex, "hex"), limits(2 ** 33)),
        hasCode("SERVER_INVALID_REQUEST"),
        hex,
      );
    }
  });
});
