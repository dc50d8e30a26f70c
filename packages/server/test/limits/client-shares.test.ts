import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ByteBudget } from "../../src/byte-budget.ts";
import { ServerError } from "../../src/errors.ts";
import { clientLimitsOf } from "../../src/limits/client-limits.ts";
import { ClientShares } from "../../src/limits/client-shares.ts";
import { resolveServerOptions } from "../../src/resolve-server-options.ts";

const LIMITS = {
  maxRequests: 10,
  clientMaxRequests: 3,
  clientMaxInFlightBytes: 100,
  clientBytesPerSecond: 0,
};

function refusedBy(limit: string, retryAfterSeconds = 1): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ServerError && error.code === "SERVER_CLIENT_OVER_LIMIT");
    assert.deepEqual(error.details, { limit, retryAfterSeconds });
    return true;
  };
}

suite("ClientShares", () => {
  test("bounds the requests of one client, leaves room for others, and forgets who is gone", () => {
    const shares = new ClientShares(LIMITS, () => 0);
    const greedy = [1, 2, 3].map(() => shares.enter("greedy"));
    assert.throws(() => shares.enter("greedy"), refusedBy("clientMaxRequests"));
    const polite = shares.enter("polite");
    assert.equal(shares.size, 2);
    for (const client of [...greedy, polite]) shares.leave(client);
    assert.equal(shares.size, 0);
    shares.leave(shares.enter("greedy"));
  });

  test("bounds the requests of all", () => {
    const shares = new ClientShares({ ...LIMITS, maxRequests: 2 }, () => 0);
    const first = shares.enter("a");
    shares.enter("b");
    assert.throws(
      () => shares.enter("c"),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_OVERLOADED",
    );
    shares.leave(first);
    shares.enter("c");
  });

  test("bounds the bytes of one client over all its requests, and says whose limit it was", () => {
    const shares = new ClientShares(LIMITS, () => 0);
    const budget = new ByteBudget(150);
    const lease = (key: string): ReturnType<ByteBudget["lease"]> => budget.lease(shares.enter(key));
    const [first, second, other] = [lease("a"), lease("a"), lease("b")];
    assert.equal(first.growTo(60), true);
    assert.equal(second.growTo(41), false);
    assert.throws(() => {
      throw second.refusal();
    }, refusedBy("clientMaxInFlightBytes"));
    assert.equal(second.growTo(40), true);
    assert.equal(other.growTo(51), false, "the budget of all");
    assert.equal(other.refusal().code, "SERVER_OVERLOADED");
    assert.equal(other.growTo(50), true);
    assert.equal(budget.usedBytes, 150);
    first.release();
    assert.equal(second.growTo(100), true);
    assert.equal(budget.usedBytes, 150);
    for (const one of [first, second, other]) one.release();
    assert.equal(budget.usedBytes, 0);
  });

  test("lets a client send a second's worth at once, and then as fast as its rate", () => {
    let nowMs = 0;
    const limits = { ...LIMITS, clientMaxInFlightBytes: 10_000, clientBytesPerSecond: 1_000 };
    const shares = new ClientShares(limits, () => nowMs);
    const send = (bytes: number): void => {
      const client = shares.enter("a");
      const lease = new ByteBudget(1e6).lease(client);
      assert.equal(lease.growTo(bytes), true);
      lease.release();
      shares.leave(client);
    };
    send(900);
    send(3_100); // Below zero: a body larger than a second's worth must pass some time.
    assert.throws(() => send(1), refusedBy("clientBytesPerSecond", 4));
    shares.leave(shares.enter("b"));
    nowMs += 3_000;
    assert.throws(() => send(1), refusedBy("clientBytesPerSecond", 1));
    nowMs += 10;
    send(1_010);
    nowMs += 60_000;
    send(1_000); // What was not used in a minute is not a minute's worth.
    assert.throws(() => send(1), refusedBy("clientBytesPerSecond"));
  });

  test("forgets idle clients that owe nothing when there are many", () => {
    let nowMs = 0;
    const limits = { ...LIMITS, clientBytesPerSecond: 1_000 };
    const shares = new ClientShares(limits, () => nowMs);
    for (let index = 0; index < 10_000; index++) shares.leave(shares.enter(`a${index}`));
    const debtor = shares.enter("debtor");
    assert.equal(shares.size, 1, "the others owe nothing");
    debtor.take(100);
    nowMs += 1;
    shares.leave(debtor);
  });
});

suite("clientLimitsOf", () => {
  test("one client may hold half of all bytes, or the largest request", () => {
    const mib = 1024 * 1024;
    const share = (options: object): number =>
      clientLimitsOf(resolveServerOptions(options)).clientMaxInFlightBytes;
    assert.equal(share({}), 128 * mib);
    assert.equal(share({ maxInFlightBytes: 1024 * mib }), 512 * mib);
    assert.equal(share({ maxBodyBytes: 128 * mib }), 192 * mib);
    assert.equal(share({ clientMaxInFlightBytes: 200 * mib }), 200 * mib);
    assert.throws(
      () => resolveServerOptions({ clientMaxInFlightBytes: mib }),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_INVALID_OPTION",
    );
  });
});
