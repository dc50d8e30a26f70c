import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ByteBudget } from "../src/byte-budget.ts";

suite("ByteBudget", () => {
  test("grants up to the limit and refuses one byte more, changing nothing", () => {
    const budget = new ByteBudget(100);
    const first = budget.lease();
    const second = budget.lease();
    assert.equal(first.growTo(60), true);
    assert.equal(second.growTo(41), false);
    assert.equal(budget.usedBytes, 60);
    assert.equal(second.growTo(40), true);
    assert.equal(budget.usedBytes, 100);
  });

  test("growing to less than is held takes nothing", () => {
    const budget = new ByteBudget(100);
    const lease = budget.lease();
    assert.equal(lease.growTo(50), true);
    assert.equal(lease.growTo(10), true);
    assert.equal(lease.bytes, 50);
    assert.equal(budget.usedBytes, 50);
  });

  test("releasing twice gives the bytes back once", () => {
    const budget = new ByteBudget(100);
    const lease = budget.lease();
    lease.growTo(70);
    lease.release();
    lease.release();
    assert.equal(budget.usedBytes, 0);
  });
});
