/**
 * Kill -9 of workers, and of the primary, under load with the unmodified InfluxDB client: while one worker is gone the
 * others serve, and in the end every acknowledged point is there exactly once, whatever the number of workers was.
 *
 * `WALNUT_KILL_WORKER_CYCLES=100` runs more kills, `WALNUT_KILL_SEED` repeats a run.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { temporaryDirectory } from "../temporary-directory.ts";
import {
  everyTableIsThere,
  pause,
  randomFrom,
  setting,
  TOKEN,
  verify,
  Writer,
  WRITERS,
} from "./kill-load.ts";
import { ServerProcess, workerIds } from "./server-process.ts";

const DEFAULT_CYCLES = 4;
const MAX_PAUSE_MS = 900;
/** Every so many kills the primary is the one. */
const PRIMARY_EVERY = 5;
const FLAGS = ["--flush-rows=1000", "--flush-age-ms=100", "--segment-size-bytes=65536"];
const WORKER_COUNTS = [2, 3, 1];

const cycles = Number(setting("worker_cycles") ?? DEFAULT_CYCLES);
const seed = Number(setting("seed") ?? Math.floor(Math.random() * 2 ** 31));

suite("kill -9 of workers", () => {
  test(`loses and doubles nothing in ${cycles} kills, seed ${seed}`, async (context) => {
    console.log(`repeat with: WALNUT_KILL_SEED=${seed} WALNUT_KILL_WORKER_CYCLES=${cycles}`);
    const dataDirectory = await temporaryDirectory();
    const random = randomFrom(seed);
    const writers = Array.from({ length: WRITERS }, (_, index) => new Writer(index, random));
    const start = (workers: number): ServerProcess => {
      const server = ServerProcess.start({
        dataDirectory,
        flags: [...FLAGS, "--workers", String(workers)],
        variables: { WALNUT_TOKEN: TOKEN },
      });
      context.after(() => server.kill("SIGKILL"));
      return server;
    };
    let starts = 0;
    let kills = 0;
    let workerKills = 0;
    while (kills < cycles) {
      const server = start(WORKER_COUNTS[starts++ % WORKER_COUNTS.length] ?? 1);
      const url = await server.readyUrl();
      let isOver = false;
      const writing = Promise.all(
        writers.map(async (writer) => {
          while (!isOver) await writer.writeUntilFailure(url);
        }),
      );
      for (let kill = 1; kill < PRIMARY_EVERY && kills < cycles; kill++) {
        await pause(20 + random() * MAX_PAUSE_MS);
        // With one worker there is nobody but the primary to kill.
        const ids = await workerIds(url);
        if (ids.length === 0) break;
        process.kill(ids[Math.floor(random() * ids.length)] ?? 0, "SIGKILL");
        kills++;
        workerKills++;
        await pause(random() * 100);
      }
      await pause(20 + random() * MAX_PAUSE_MS);
      await everyTableIsThere(writers, () => server.hasEnded);
      server.kill("SIGKILL");
      isOver = true;
      await server.ended;
      await writing;
      kills++;
    }

    const batches = writers.flatMap((writer) => writer.batches);
    for (const workers of [2, 1]) {
      const survivor = start(workers);
      await verify(await survivor.readyUrl(), batches);
      survivor.kill("SIGTERM");
      assert.deepEqual(await survivor.ended, { code: 0, signal: null }, survivor.stderr);
    }
    const acknowledged = batches.filter(({ outcome }) => outcome === "acknowledged").length;
    console.log(
      `${kills} kills, ${workerKills} of them of workers; ${acknowledged} of ${batches.length} requests acknowledged`,
    );
    assert.ok(acknowledged > 0, "the test must have written something");
    assert.ok(workerKills > 0);
  });
});
