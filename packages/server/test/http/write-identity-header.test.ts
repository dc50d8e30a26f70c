import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import { Exchange } from "../../src/http/exchange.ts";
import { digestOf, readClaimedIdentity } from "../../src/http/write-identity-header.ts";

function exchangeWith(headers: Readonly<Record<string, string>>): Exchange {
  const request = new IncomingMessage(new Socket());
  Object.assign(request.headers, headers);
  return new Exchange(request, new ServerResponse(request), {
    requestId: "r",
    expectsContinue: false,
  });
}

suite("identity headers", () => {
  test("a key, a producer, or nothing", () => {
    assert.equal(readClaimedIdentity(exchangeWith({})), undefined);
    assert.deepEqual(readClaimedIdentity(exchangeWith({ "idempotency-key": '"a-1"' })), {
      name: 'key:"a-1"',
      epoch: 0,
      seq: 0,
    });
    const producer = {
      "x-walnut-producer": "p",
      "x-walnut-epoch": "3",
      "x-walnut-seq": "9007199254740991",
    };
    assert.deepEqual(readClaimedIdentity(exchangeWith(producer)), {
      name: "producer:p",
      epoch: 3,
      seq: 9_007_199_254_740_991,
    });
  });

  test("what is wrong names the header", () => {
    const p = { "x-walnut-producer": "p" };
    const cases: readonly [Readonly<Record<string, string>>, string][] = [
      [{ "idempotency-key": "" }, "idempotency-key"],
      [{ "idempotency-key": "two words" }, "idempotency-key"],
      [{ "idempotency-key": "k".repeat(256) }, "idempotency-key"],
      [{ "idempotency-key": "é" }, "idempotency-key"],
      [{ "idempotency-key": "a", ...p }, "idempotency-key"],
      [{ "x-walnut-epoch": "1" }, "x-walnut-epoch"],
      [{ "x-walnut-seq": "1" }, "x-walnut-seq"],
      [p, "x-walnut-epoch"],
      [{ ...p, "x-walnut-epoch": "1" }, "x-walnut-seq"],
      [{ ...p, "x-walnut-epoch": "1", "x-walnut-seq": "-1" }, "x-walnut-seq"],
      [{ ...p, "x-walnut-epoch": "1", "x-walnut-seq": "9007199254740992" }, "x-walnut-seq"],
      [{ ...p, "x-walnut-epoch": "1e3", "x-walnut-seq": "1" }, "x-walnut-epoch"],
    ];
    for (const [headers, name] of cases) {
      assert.throws(
        () => readClaimedIdentity(exchangeWith(headers)),
        (error: unknown) =>
          error instanceof ServerError &&
          error.code === "SERVER_INVALID_REQUEST" &&
          error.details["header"] === name,
        JSON.stringify(headers),
      );
    }
  });

  test("a digest is of the target and of the body", () => {
    const digest = digestOf(["lines", "db", "ns"], Buffer.from("m v=1"));
    assert.match(digest, /^[0-9a-f]{32}$/);
    assert.equal(digestOf(["lines", "db", "ns"], Buffer.from("m v=1")), digest);
    assert.notEqual(digestOf(["lines", "db", "s"], Buffer.from("m v=1")), digest);
    assert.notEqual(digestOf(["lines", "dbns", ""], Buffer.from("m v=1")), digest);
    assert.notEqual(digestOf(["lines", "db", "ns"], Buffer.from("m v=2")), digest);
  });
});
