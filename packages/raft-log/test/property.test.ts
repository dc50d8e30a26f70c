/**
 * Random histories with restarts against the model, on real files: whatever a node does, every backend gives the same log.
 *
 * `WALNUT_RAFT_SEEDS=500 npm test -- raft-log/test/property` runs more of them.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SeededRandom } from "@walnut/testkit";
import { openRaftLog, type RaftBackend, type RaftLog } from "@walnut/raft-log";
import { applied, EMPTY_MODEL, logText, modelText, nextOperation, perform } from "./raft-model.ts";

const SEEDS = Number(process.env["WALNUT_RAFT_SEEDS"] ?? "2");
const OPERATIONS = 120;

async function run(backend: RaftBackend, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const storageRootDirectory = await mkdtemp(join(tmpdir(), "walnut-raft-"));
  const open = (): Promise<RaftLog> =>
    openRaftLog({
      storageRootDirectory,
      clusterId: 1,
      peerId: 1,
      backend,
      cacheBytes: random.pick([0, 2000, 1_000_000]),
      segmentSizeBytes: 64 * 1024,
    });
  let log = await open();
  try {
    let model = EMPTY_MODEL;
    for (let count = 0; count < OPERATIONS; count++) {
      const calls: Promise<void>[] = [];
      for (let together = random.pick([1, 1, 2, 5]); together > 0; together--) {
        const operation = nextOperation(model, random);
        model = applied(model, operation);
        calls.push(perform(log, operation));
      }
      await Promise.all(calls);
      if (random.chance(0.05)) await log.purge();
      if (backend !== "memory" && random.chance(0.08)) {
        await log.close();
        log = await open();
      }
      assert.equal(await logText(log), modelText(model), `seed ${seed}, operation ${count}`);
      await readSomewhere(log, random);
    }
  } finally {
    await log.close();
    await rm(storageRootDirectory, { recursive: true });
  }
}

/** A range anywhere, with a limit: a prefix of what is there. */
async function readSomewhere(log: RaftLog, random: SeededRandom): Promise<void> {
  if (log.lastIndex < log.firstIndex) return;
  const lo = random.between(log.firstIndex, log.lastIndex);
  const hi = random.between(lo + 1, log.lastIndex + 1);
  const maxBytes = random.pick([0, 100, 5000, Number.POSITIVE_INFINITY]);
  const all = await log.entries(lo, hi);
  const some = await log.entries(lo, hi, maxBytes);
  assert.deepEqual(some, all.slice(0, some.length));
  const bytes = some.reduce((sum, { data }) => sum + data.byteLength, 0);
  assert.ok(some.length === 1 || bytes <= maxBytes);
  assert.ok(
    some.length === all.length || bytes + (all[some.length]?.data.byteLength ?? 0) > maxBytes,
  );
}

for (const backend of ["walnut", "etcd", "level", "memory"] satisfies RaftBackend[]) {
  suite(`random histories with restarts: ${backend}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      test(`are what the model says, seed ${seed}`, () => run(backend, seed));
    }
  });
}
