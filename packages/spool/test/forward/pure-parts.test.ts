/** The parts of a forwarder that decide: addresses, verdicts, pauses, batches, rates. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { verdictOf } from "../../src/forward/answer-verdict.ts";
import { batchOf, bodyOf, canJoin } from "../../src/forward/item-batch.ts";
import { RateMeter } from "../../src/forward/rate-meter.ts";
import { MAX_RETRY_AFTER_MS, retryAfterMs, retryDelayMs } from "../../src/forward/retry-delay.ts";
import { ShipNotices, type ForwardNotice } from "../../src/forward/ship-notices.ts";
import { targetUrl } from "../../src/forward/upstream-target.ts";

suite("the address of a request", () => {
  const category = { url: "http://h:1/base/?token=t", protocol: "category" } as const;
  const lines = { url: "http://h:1", protocol: "line-protocol" } as const;
  const cases = [
    [category, {}, "http://h:1/base/v1/write/logging?token=t"],
    [category, { query: "precision=s" }, "http://h:1/base/v1/write/logging?token=t&precision=s"],
    [lines, {}, "http://h:1/api/v2/write?bucket=logging"],
    [{ ...lines, bucket: "b", org: "o" }, {}, "http://h:1/api/v2/write?bucket=b&org=o"],
    [{ ...lines, bucket: "b" }, { query: "db=d" }, "http://h:1/api/v2/write?bucket=d"],
    [lines, { query: "db=d&precision=u" }, "http://h:1/api/v2/write?bucket=d&precision=us"],
    [lines, { query: "bucket=d&precision=ms" }, "http://h:1/api/v2/write?bucket=d&precision=ms"],
  ] as const;
  for (const [options, attributes, expected] of cases) {
    test(`is ${expected}`, () => {
      assert.equal(targetUrl(options, "logging", attributes).href, expected);
    });
  }
});

suite("the verdict on an answer", () => {
  const verdicts = {
    stored: [200, 201, 204],
    retry: [0, 302, 408, 425, 429, 500, 502, 503, 504],
    "refused-content": [400, 413, 422],
    refused: [401, 403, 404, 405, 410, 415],
  };
  for (const [verdict, statuses] of Object.entries(verdicts)) {
    test(`is ${verdict} for ${statuses.join(", ")}`, () => {
      for (const status of statuses) {
        assert.equal(verdictOf({ status, body: "", isCut: false }), verdict);
      }
    });
  }

  test("is stored for a known key only when items of the range were dropped", () => {
    const answer = { status: 422, body: '{"code":"SERVER_KEY_REUSED"}' };
    assert.equal(verdictOf({ ...answer, isCut: true }), "stored");
    assert.equal(verdictOf({ ...answer, isCut: false }), "refused-content");
  });
});

suite("the pause before the next try", () => {
  const limits = { firstDelayMs: 500, maxDelayMs: 30_000 };

  test("doubles up to the ceiling, half of it by chance", () => {
    const full = [1, 2, 3, 4, 100].map((failures) => retryDelayMs(failures, 1, limits));
    assert.deepEqual(full, [500, 1_000, 2_000, 4_000, 30_000]);
    assert.equal(retryDelayMs(100, 0, limits), 15_000);
  });

  test("is as long as Retry-After asks, in seconds or as a date, within reason", () => {
    const nowMs = Date.parse("2026-01-01T00:00:00Z");
    const asked = (retryAfter: string | undefined, date?: string): number =>
      retryAfterMs({ retryAfter, date }, nowMs);
    assert.equal(asked("7"), 7_000);
    assert.equal(asked("Thu, 01 Jan 2026 00:00:09 GMT"), 9_000);
    assert.equal(asked("99999999"), MAX_RETRY_AFTER_MS);
    for (const header of [undefined, "", "soon", "-3", "Thu, 01 Jan 2015 00:00:09 GMT"]) {
      assert.equal(asked(header), 0);
    }
    // Our clock is wrong, or the other one: what counts is the time between the two dates of one clock.
    for (const year of [1970, 2015, 2170]) {
      const [sent, wanted] = [2, 9].map((s) =>
        new Date(Date.UTC(year, 0, 1, 0, 0, s)).toUTCString(),
      );
      assert.equal(asked(wanted, sent), 7_000);
    }
  });
});

suite("a batch", () => {
  const item = (lsn: number, text: string) => ({
    lsn,
    payload: new TextEncoder().encode(text),
    attributes: {},
    putAtMs: 0,
  });

  test("ends the lines of all but its last item", () => {
    const batch = batchOf([item(3, "a\n"), item(4, "b"), item(5, "c\n")]);
    assert.deepEqual([batch?.firstLsn, batch?.lastLsn, batch?.isCut], [3, 5, false]);
    assert.equal(new TextDecoder().decode(batch && bodyOf(batch)), "a\nb\nc\n");
  });

  test("of a claim has the claim's range, and knows when it is cut", () => {
    const batch = batchOf([item(4, "b")], { firstLsn: 3, lastLsn: 4 });
    assert.deepEqual([batch?.firstLsn, batch?.lastLsn, batch?.isCut], [3, 4, true]);
    assert.equal(batchOf([]), undefined);
  });

  test("joins text with the same attributes, and nothing else", () => {
    assert.ok(canJoin({}, {}));
    assert.ok(canJoin({ type: "text/plain", query: "a" }, { query: "a", type: "text/plain" }));
    assert.ok(!canJoin({}, { query: "a" }));
    assert.ok(!canJoin({ query: "b" }, { query: "a" }));
    assert.ok(!canJoin({ type: "application/json" }, { type: "application/json" }));
  });
});

test("a rate is that of the last ten whole seconds", () => {
  const meter = new RateMeter();
  for (let second = 0; second < 30; second++) meter.add(5, second * 1_000);
  assert.equal(meter.perSecond(30_000), 5);
  assert.equal(meter.perSecond(35_000), 2.5);
  assert.equal(meter.perSecond(60_000), 0);
});

test("notices tell a wait and its end once, and refusals once a minute with their number", () => {
  const told: ForwardNotice[] = [];
  const notices = new ShipNotices("logging", (notice) => void told.push(notice));
  notices.failed(1, "blip");
  notices.decided();
  assert.deepEqual(told, []);
  for (let failures = 1; failures < 10; failures++) notices.failed(failures, `down ${failures}`);
  notices.waits("no room");
  notices.decided();
  notices.decided();
  const category = "logging";
  assert.deepEqual(told.splice(0), [
    { kind: "waits", category, reason: "down 2" },
    { kind: "goes-on", category },
  ]);
  for (const second of [0, 1, 59, 60, 61, 200]) notices.refused(`at ${second}`, second * 1_000);
  assert.deepEqual(told, [
    { kind: "refused", category, letters: 1, reason: "at 0" },
    { kind: "refused", category, letters: 3, reason: "at 60" },
    { kind: "refused", category, letters: 2, reason: "at 200" },
  ]);
});
