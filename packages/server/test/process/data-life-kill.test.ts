/**
 * Kill -9 while rows come in, small files are merged and ranges are deleted: what was acknowledged and not deleted is
 * there once, what was deleted and answered never comes back, and an unanswered DELETE is all or nothing.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { temporaryDirectory } from "../temporary-directory.ts";
import { pause, randomFrom, setting, TOKEN } from "./kill-load.ts";
import { ServerProcess, queryRows } from "./server-process.ts";

const CYCLES = Number(setting("cycles") ?? 4);
const seed = Number(setting("seed") ?? Math.floor(Math.random() * 2 ** 31));
const MAX_LIFE_MS = 1_500;
const ROWS_PER_WRITE = 20;
const BASE_NS = 1_700_000_000_000_000_000n;
const STEP_NS = 1_000_000_000n;
const FLAGS = [
  "--flush-rows=200",
  "--flush-age-ms=50",
  "--segment-size-bytes=65536",
  "--compaction-interval-ms=100",
  "--compaction-min-files=2",
];

type Fate = "written" | "deleted" | "unknown";

/** What became of each write and DELETE; ids follow one another. */
class History {
  readonly fates: Fate[] = [];
  /** Ids of DELETEs that were not answered, each to be found as a whole or not at all. */
  readonly doubtful: (readonly number[])[] = [];
  deletes = 0;
  /** Files that were merged into others, as the servers said while they lived. */
  mergedFiles = 0;

  /** Whether anything was deleted and merged at all. */
  get isTelling(): boolean {
    return this.deletes > 0 && this.mergedFiles > 0;
  }

  async countMerges(url: string): Promise<void> {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await fetch(`${url}/api/v1/compaction`, { headers });
    const { workers } = (await response.json()) as {
      workers: { shards: { files_before: number }[] }[];
    };
    this.mergedFiles = Math.max(this.mergedFiles, workers[0]?.shards[0]?.files_before ?? 0);
  }

  async writeOnce(url: string): Promise<void> {
    const first = this.fates.length;
    const ids = Array.from({ length: ROWS_PER_WRITE }, (_, index) => first + index);
    for (const _ of ids) this.fates.push("unknown");
    const lines = ids.map((id) => `m n=${id}i ${BASE_NS + BigInt(id) * STEP_NS}`).join("\n");
    const headers = { authorization: `Bearer ${TOKEN}` };
    const path = `${url}/api/v2/write?bucket=db`;
    const { status } = await fetch(path, { method: "POST", headers, body: lines });
    assert.equal(status, 204);
    for (const id of ids) this.fates[id] = "written";
  }

  async deleteOnce(url: string, random: () => number): Promise<void> {
    const first = Math.floor(random() * this.fates.length);
    const last = Math.min(this.fates.length, first + 1 + Math.floor(random() * 50));
    const ids = Array.from({ length: last - first }, (_, index) => first + index).filter(
      (id) => this.fates[id] === "written",
    );
    const at = (id: number): bigint => BASE_NS + BigInt(id) * STEP_NS;
    const path = `${url}/api/v1/databases/db/measurements/m?start=${at(first)}&stop=${at(last)}`;
    const headers = { authorization: `Bearer ${TOKEN}` };
    try {
      const { status } = await fetch(path, { method: "DELETE", headers });
      assert.equal(status, 200);
    } catch (error) {
      this.doubtful.push(ids);
      for (const id of ids) this.fates[id] = "unknown";
      throw error;
    }
    this.deletes++;
    for (let id = first; id < last; id++) this.fates[id] = "deleted";
  }

  /** Compares, and takes what is found for what is so. */
  async verify(url: string): Promise<void> {
    const rows = await queryRows(url, TOKEN, "SELECT n FROM db.m");
    const found = new Set(rows.map(([n]) => Number(n)));
    assert.equal(found.size, rows.length, "a row is there twice");
    for (const ids of this.doubtful) {
      const present = ids.filter((id) => found.has(id)).length;
      assert.ok(present === 0 || present === ids.length, `${present} of ${ids.length} deleted`);
    }
    this.doubtful.length = 0;
    this.fates.forEach((fate, id) => {
      if (fate !== "unknown") assert.equal(found.has(id), fate === "written", `${id} was ${fate}`);
      this.fates[id] = found.has(id) ? "written" : "deleted";
    });
  }
}

/** Runs an action until the server is gone; anything else is a failure. */
async function untilGone(server: ServerProcess, action: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await action();
    } catch (error) {
      if (error instanceof TypeError) {
        await server.ended;
        return;
      }
      throw error;
    }
  }
}

suite("kill -9 during merges and DELETEs", () => {
  test(`loses nothing, doubles nothing, brings nothing back; seed ${seed}`, async (context) => {
    const dataDirectory = await temporaryDirectory();
    const random = randomFrom(seed);
    const history = new History();
    for (let cycle = 0; cycle <= CYCLES; cycle++) {
      const server = ServerProcess.start({
        dataDirectory,
        flags: FLAGS,
        variables: { WALNUT_TOKEN: TOKEN },
      });
      context.after(() => server.kill("SIGKILL"));
      const url = await server.readyUrl();
      if (cycle === 0) await history.writeOnce(url);
      else await history.verify(url);
      if (cycle === CYCLES) {
        server.kill("SIGTERM");
        assert.equal((await server.ended).code, 0, server.stderr);
        break;
      }
      // One after the other: a DELETE and a write at the same time may go either way.
      let turn = 0;
      const work = untilGone(server, async () => {
        if (turn % 10 === 0) await history.countMerges(url);
        if (++turn % 4 === 0) await history.deleteOnce(url, random);
        else await history.writeOnce(url);
      });
      await pause(200 + random() * MAX_LIFE_MS);
      // On a slow machine the last life goes on until there is something to lose.
      while (cycle === CYCLES - 1 && !history.isTelling && !server.hasEnded) await pause(50);
      server.kill("SIGKILL");
      await work;
    }
    console.log(`${CYCLES} kills, ${history.fates.length} rows, ${history.deletes} DELETEs`);
    assert.ok(history.isTelling);
  });
});
