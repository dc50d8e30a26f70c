import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { EMPTY_HISTORY, newestSample, remember } from "../src/app/history.ts";
import { findNotices, TROUBLES, unreachableNotice } from "../src/app/notices.ts";
import { category, forwarder, overview, store, worker } from "./overview-sample.ts";

suite("notices", () => {
  test("a healthy server has none", () => {
    assert.deepEqual(findNotices(overview(), undefined), []);
  });

  test("each phase that does not serve has words", () => {
    const tones = (["recovering", "stopping", "failed", "closed"] as const).map((phase) =>
      findNotices(overview({ workers: [worker({ phase })] }), undefined).map(({ tone }) => tone),
    );
    assert.deepEqual(tones, [["note"], ["note"], ["bad"], ["bad"]]);
  });

  test("findings of the server come with their advice, and with the worker when there are several", () => {
    const findings = [{ issue: "3 MiB free", recommendation: "free space" }];
    const [notice] = findNotices(
      overview({ workers: [worker(), worker({ worker: 2, findings })] }),
      undefined,
    );
    assert.deepEqual(notice, {
      tone: "warning",
      title: "Worker 2: 3 MiB free",
      advice: "Free space.",
    });
  });

  test("a forwarder whose upstream takes nothing, and one whose requests were refused, are told", () => {
    const status = forwarder([category({ lastFailure: "503", deadLetters: 2 })]);
    const notices = findNotices(
      overview({ forwarder: { kind: "answered", listen: "127.0.0.1:9529", status } }),
      undefined,
    );
    assert.deepEqual(
      notices.map(({ tone, title }) => [tone, title]),
      [
        ["warning", "The forwarder’s upstream does not take logging: 503"],
        ["warning", "The upstream refused 2 requests of the forwarder"],
      ],
    );
    const listen = "127.0.0.1:9529";
    const silent = overview({ forwarder: { kind: "not-running", listen, reason: "nobody" } });
    assert.deepEqual(findNotices(silent, undefined), []);
  });

  test("uploads that fail are told once, however many workers they fail for", () => {
    const uploads = {
      pendingFiles: 1,
      pendingBytes: 1,
      oldestPendingMs: 1,
      uploadedFiles: 0,
      uploadedBytes: 0,
      failures: 1,
      lastError: "the bucket does not answer",
    };
    const workers = [1, 2].map((number) => worker({ worker: number, store: store({ uploads }) }));
    assert.deepEqual(
      findNotices(overview({ workers }), undefined).map(({ title }) => title),
      ["Uploads to object storage fail: the bucket does not answer"],
    );
  });

  test("refusals that mean trouble are told while they happen, the worst first", () => {
    const { requests } = worker();
    const errors = { SERVER_OVERLOADED: 10, SERVER_WAL_UNAVAILABLE: 5, SERVER_INVALID_LINE: 5 };
    const later = overview({
      nowMs: 1_001_000,
      workers: [worker({ requests: { ...requests, errors } })],
    });
    const history = remember(remember(EMPTY_HISTORY, overview()), later);
    const notices = findNotices(later, newestSample(history));
    assert.deepEqual(
      notices.map(({ tone }) => tone),
      ["bad", "warning"],
    );
    assert.deepEqual(findNotices(later, undefined), []);
  });

  test("a worker that does not answer is named", () => {
    const silent = [{ worker: 2, reason: "it took too long" }];
    const [notice] = findNotices(overview({ silent }), undefined);
    assert.equal(notice?.tone, "bad");
    assert.match(notice.title, /Worker 2.*too long/);
  });

  test("codes that it knows are codes of the server", () => {
    const documented = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
    for (const code of TROUBLES.keys()) assert.match(documented, new RegExp(`^### ${code}$`, "m"));
  });

  test("a server that does not answer is a problem", () => {
    assert.equal(unreachableNotice("the connection failed", 4_000).tone, "bad");
  });
});
