import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BodyMemory } from "../../src/http/body-memory.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

suite("BodyMemory", () => {
  test("lends memory that was given back to the next body of about that size", () => {
    const memory = new BodyMemory();
    const first = memory.loan();
    const bytes = first.take(100 * KIB);
    assert.ok(bytes !== undefined && bytes.byteLength >= 100 * KIB);
    const meanwhile = memory.loan();
    assert.notEqual(meanwhile.take(100 * KIB), bytes);
    first.release();
    assert.equal(memory.loan().take(120 * KIB), bytes);
  });

  test("gives back once, however often it is released", () => {
    const memory = new BodyMemory();
    const loan = memory.loan();
    loan.take(MIB);
    loan.release();
    loan.release();
    assert.equal(memory.keptBytes, MIB);
    assert.notEqual(memory.loan().take(MIB), memory.loan().take(MIB));
  });

  test("keeps nothing for small and for very large bodies, and a limited sum of the others", () => {
    const memory = new BodyMemory();
    assert.equal(memory.loan().take(1_000), undefined);
    assert.equal(memory.loan().take(4 * MIB + 1), undefined);
    const loans = Array.from({ length: 20 }, () => memory.loan());
    for (const loan of loans) loan.take(4 * MIB);
    for (const loan of loans) loan.release();
    assert.equal(memory.keptBytes, 32 * MIB);
  });
});
