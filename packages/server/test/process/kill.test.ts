/**
 * Kill -9 under load, with the unmodified InfluxDB client: nothing acknowledged is lost, nothing is there
 * twice, nothing refused is there, and an unanswered request is there as a whole or not at all.
 *
 * `WALNUT_KILL_CYCLES=50` (or `--cycles 50`) runs more cycles, `WALNUT_KILL_SEED` (or `--seed`) repeats a run.
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
  type Outcome,
} from "./kill-load.ts";
import { ServerProcess } from "./server-process.ts";

const MAX_LIFE_MS = 1_000;
const DEFAULT_CYCLES = 5;
const SERVER_FLAGS = ["--flush-rows=1000", "--flush-age-ms=100", "--segment-size-bytes=65536"];

const cycles = Number(setting("cycles") ?? DEFAULT_CYCLES);
const seed = Number(setting("seed") ?? Math.floor(Math.random() * 2 ** 31));

suite("kill -9", () => {
  test(`loses and doubles nothing in ${cycles} kills, seed ${seed}`, async (context) => {
    console.log(`repeat with: WALNUT_KILL_SEED=${seed} WALNUT_KILL_CYCLES=${cycles}`);
    const dataDirectory = await temporaryDirectory();
    const random = randomFrom(seed);
    const writers = Array.from({ length: WRITERS }, (_, index) => new Writer(index, random));
    let kills = 0;
    let killsWhileStarting = 0;
    while (kills < cycles) {
      const server = start(dataDirectory);
      context.after(() => server.kill("SIGKILL"));
      if (random() < 0.2) {
        // Die while starting, perhaps in the middle of recovery.
        await pause(random() * MAX_LIFE_MS);
        killsWhileStarting++;
        server.kill("SIGKILL");
        await server.ended;
        kills++;
        continue;
      }
      const url = await server.readyUrl();
      const work = Promise.all(writers.map((writer) => writer.writeUntilFailure(url)));
      let isOver = false;
      void work.finally(() => {
        isOver = true;
      });
      await pause(20 + random() * MAX_LIFE_MS);
      await everyTableIsThere(writers, () => isOver);
      server.kill("SIGKILL");
      assert.equal((await server.ended).signal, "SIGKILL");
      await work;
      kills++;
    }

    const batches = writers.flatMap((writer) => writer.batches);
    const survivor = start(dataDirectory);
    context.after(() => survivor.kill("SIGKILL"));
    await verify(await survivor.readyUrl(), batches);
    survivor.kill("SIGTERM");
    assert.deepEqual(await survivor.ended, { code: 0, signal: null }, survivor.stderr);

    const restarted = start(dataDirectory);
    context.after(() => restarted.kill("SIGKILL"));
    await verify(await restarted.readyUrl(), batches);
    assert.match(restarted.stdout, /recovered +nothing to replay/);
    restarted.kill("SIGTERM");
    await restarted.ended;

    const points = (outcome: Outcome): number =>
      batches
        .filter((batch) => batch.outcome === outcome)
        .reduce((sum, batch) => sum + batch.lastId - batch.firstId + 1, 0);
    console.log(
      `${kills} kills (${killsWhileStarting} while starting), points: ` +
        `${points("acknowledged")} acknowledged, ${points("unanswered")} unanswered, ` +
        `${points("refused")} refused`,
    );
    assert.ok(points("acknowledged") > 0, "the test must have written something");
  });
});

function start(dataDirectory: string): ServerProcess {
  const variables = { WALNUT_TOKEN: TOKEN };
  return ServerProcess.start({ dataDirectory, flags: SERVER_FLAGS, variables });
}
