import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { ServerError } from "../../src/errors.ts";
import type { ShardSnapshot } from "../../src/store/shard-snapshot.ts";
import { PeerGroup, socketPathOf } from "../../src/workers/peer-group.ts";
import { listenForPeers } from "../../src/workers/peer-listener.ts";
import type { Question } from "../../src/workers/worker-group.ts";
import { table } from "../store/store-fixture.ts";

const ADD: Question<{ readonly to: number }, number> = { name: "add" };
const WHERE = { database: "db", measurement: "cpu" };

/** Two workers of three, with sockets of their own; the third is never there. */
async function twoOfThree(
  context: TestContext,
  snapshots: () => readonly ShardSnapshot[],
): Promise<readonly [PeerGroup, PeerGroup]> {
  const socketDirectory = await mkdtemp(join(tmpdir(), "walnut-peers-"));
  context.after(() => rm(socketDirectory, { recursive: true }));
  let elapsedMs = 0;
  const open = async (worker: number): Promise<PeerGroup> => {
    const group = new PeerGroup({
      worker,
      workers: 3,
      existingShards: [1, 2, 3, 6],
      socketDirectory,
      maxSnapshotBytes: 1_000_000,
      // Each look at the clock is a second later: nobody waits in real time.
      monotonicMs: () => (elapsedMs += 1_000),
    });
    group.answer(ADD, ({ to }) => {
      if (to < 0) throw new ServerError("SERVER_INVALID_REQUEST", "negative", { details: { to } });
      return to + worker;
    });
    const socketPath = socketPathOf(socketDirectory, worker);
    const listener = await listenForPeers({ socketPath, answers: group.answers, snapshots });
    context.after(() => listener.close());
    return group;
  };
  return [await open(1), await open(2)];
}

suite("workers that ask each other", () => {
  test("get an answer or a clear word for each", async (context) => {
    const [first] = await twoOfThree(context, () => []);
    const [own, other, gone] = await first.askAll(ADD, { to: 40 });
    assert.deepEqual(own, { worker: 1, kind: "answered", answer: 41 });
    assert.deepEqual(other, { worker: 2, kind: "answered", answer: 42 });
    assert.ok(gone?.kind === "failed");
    assert.equal(gone.error.code, "SERVER_WORKER_UNAVAILABLE");
    assert.deepEqual(gone.error.details, { worker: 3, shards: "3, 6" });

    const [, failed] = await first.askAll(ADD, { to: -1 });
    assert.ok(failed?.kind === "failed");
    assert.equal(failed.error.code, "SERVER_INVALID_REQUEST");
    assert.deepEqual(failed.error.details, { to: -1 });
  });

  test("a query without one of the shards fails, and names it", async (context) => {
    const [first] = await twoOfThree(context, () => []);
    await assert.rejects(first.readOthers([WHERE], new AbortController().signal), {
      code: "SERVER_WORKER_UNAVAILABLE",
      details: { worker: 3, shards: "3, 6" },
    });
  });

  test("a query that is stopped waits no longer", async (context) => {
    const [first] = await twoOfThree(context, () => {
      throw new ServerError("SERVER_NOT_READY", "recovering");
    });
    const reason = new ServerError("SERVER_QUERY_FAILED", "stopped");
    await assert.rejects(first.readOthers([WHERE], AbortSignal.abort(reason)), {
      code: "SERVER_QUERY_FAILED",
    });
  });

  test("rows beyond the limit are an error, not a part of the answer", async (context) => {
    const times = Array.from({ length: 200_000 }, (_, row) => BigInt(row));
    const rows = table("db.cpu", times, {});
    const shard = { near: [], tables: [{ ...WHERE, schema: [], groups: [], rowSets: [rows] }] };
    const [first] = await twoOfThree(context, () => [shard]);
    await assert.rejects(first.readOthers([WHERE], new AbortController().signal), {
      code: "SERVER_QUERY_FAILED",
    });
  });
});
