/** The management routes of the log with several workers: one answer for all, whichever of them is asked. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { z } from "zod";
import {
  WAL_FILES_ANSWER,
  WAL_FLUSH_ANSWER,
  WAL_HEALTH_ANSWER,
  WAL_RECOVERY_ANSWER,
  WAL_ROTATE_ANSWER,
  WAL_STATUS_ANSWER,
  WAL_VERIFY_ANSWER,
} from "../../src/http/wal-schemas.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { ServerProcess } from "./server-process.ts";

const TOKEN = "wal-workers-token";
const WRITES = 12;

// oxlint-disable-next-line typescript/no-explicit-any -- the schema has checked it; tests read members freely
async function ask(url: string, request: string, schema: z.ZodType): Promise<any> {
  const [method = "", path = ""] = request.split(" ");
  // A connection of its own for each request, so that workers take turns.
  const headers = { authorization: `Bearer ${TOKEN}`, connection: "close" };
  const response = await fetch(url + path, { method, headers });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return schema.parse(JSON.parse(text));
}

function shards(answer: { workers: { worker_id: number }[] }): readonly number[] {
  return answer.workers.map(({ worker_id }) => worker_id);
}

suite("routes of the log with two workers", () => {
  test("look at and change the logs of both", async (context) => {
    const server = ServerProcess.start({
      dataDirectory: await temporaryDirectory(),
      variables: { WALNUT_TOKEN: TOKEN },
      flags: ["--workers=2", "--flush-age-ms=3600000"],
    });
    context.after(() => server.kill("SIGKILL"));
    const url = await server.readyUrl();
    for (let id = 0; id < WRITES; id++) {
      const headers = { connection: "close" };
      const init = { method: "POST", body: `m v=${id}i ${id + 1}`, headers };
      assert.equal((await fetch(`${url}/write?db=d&p=${TOKEN}`, init)).status, 204);
    }
    for (let turn = 0; turn < 4; turn++) {
      const status = await ask(url, "GET /api/wal/status", WAL_STATUS_ANSWER);
      assert.deepEqual(shards(status), [1, 2]);
      assert.equal(status.stats.total_entries, WRITES);
      assert.deepEqual(status.unavailable, []);
    }
    const rotated = await ask(url, "POST /api/wal/rotate", WAL_ROTATE_ANSWER);
    assert.deepEqual(shards(rotated), [1, 2]);
    const verified = await ask(url, "POST /api/wal/verify", WAL_VERIFY_ANSWER);
    assert.equal(verified.valid, true);
    const records = verified.workers.map((worker: { records: number }) => worker.records);
    assert.equal(records[0] + records[1], WRITES);
    const flushed = await ask(url, "POST /api/wal/flush", WAL_FLUSH_ANSWER);
    assert.equal(flushed.workers[0].rows + flushed.workers[1].rows, WRITES);
    const health = await ask(url, "GET /api/wal/health", WAL_HEALTH_ANSWER);
    assert.equal(health.stats_summary.unflushed_records, 0);
    const files = await ask(url, "GET /api/wal/files", WAL_FILES_ANSWER);
    assert.equal(files.workers.length, 2);
    const { history } = await ask(url, "GET /api/wal/recovery", WAL_RECOVERY_ANSWER);
    assert.deepEqual(
      history.map((start: { worker_id: number }) => start.worker_id).toSorted(),
      [1, 2],
    );
    server.kill("SIGTERM");
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.stderr);
  });
});
