/**
 * Kill -9 under load, with the unmodified InfluxDB client: nothing acknowledged is lost, nothing is there
 * twice, nothing refused is there, and an unanswered request is there as a whole or not at all.
 *
 * `WALNUT_KILL_CYCLES=50` (or `--cycles 50`) runs more cycles, `WALNUT_KILL_SEED` (or `--seed`) repeats a run.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { HttpError, InfluxDB, Point, type WriteApi } from "@influxdata/influxdb-client";
import { temporaryDirectory } from "../temporary-directory.ts";
import { queryRows, ServerProcess } from "./server-process.ts";

const TOKEN = "kill-test-token";
const DATABASE = "kill";
const WRITERS = 4;
const MEASUREMENTS = 3;
const MAX_BATCH_POINTS = 200;
const MAX_LIFE_MS = 1_500;
const DEFAULT_CYCLES = 8;
const BASE_NS = 1_700_000_000_000_000_000n;
/** Steps between points that put them into several hours, so that a flush writes several files. */
const STEP_NS = 37_000_000_001n;
const SERVER_FLAGS = ["--flush-rows=1000", "--flush-age-ms=100", "--segment-size-bytes=65536"];

type Outcome = "acknowledged" | "refused" | "unanswered";

/** One request: points `firstId` to `lastId` of one writer. */
interface SentBatch {
  readonly writer: number;
  readonly firstId: number;
  readonly lastId: number;
  readonly outcome: Outcome;
}

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
      await pause(20 + random() * MAX_LIFE_MS);
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

/** One connection with one client, writing request after request until one fails. */
class Writer {
  readonly batches: SentBatch[] = [];
  readonly #index: number;
  readonly #random: () => number;
  #nextId = 0;
  #outcome: Outcome = "unanswered";

  constructor(index: number, random: () => number) {
    this.#index = index;
    this.#random = random;
  }

  async writeUntilFailure(url: string): Promise<void> {
    const client = new InfluxDB({ url, token: TOKEN, timeout: 10_000 });
    const api = client.getWriteApi("org", DATABASE, "ns", {
      maxRetries: 0,
      flushInterval: 0,
      batchSize: MAX_BATCH_POINTS + 1,
      writeSuccess: () => {
        this.#outcome = "acknowledged";
      },
      // An answer that is not 2xx says that nothing was kept; no answer says nothing.
      writeFailed: (error) => {
        this.#outcome = error instanceof HttpError ? "refused" : "unanswered";
        return Promise.resolve();
      },
    });
    while ((await this.#writeBatch(api)) === "acknowledged");
    await api.close();
  }

  async #writeBatch(api: WriteApi): Promise<Outcome> {
    this.#outcome = "unanswered";
    const firstId = this.#nextId;
    this.#nextId += 1 + Math.floor(this.#random() * MAX_BATCH_POINTS);
    for (let id = firstId; id < this.#nextId; id++) api.writePoint(pointOf(this.#index, id));
    // The outcome is told by the callbacks.
    await api.flush().catch(() => undefined);
    const lastId = this.#nextId - 1;
    this.batches.push({ writer: this.#index, firstId, lastId, outcome: this.#outcome });
    return this.#outcome;
  }
}

/** Everything about a point follows from its writer and id. */
function pointOf(writer: number, id: number): Point {
  return new Point(`m ${id % MEASUREMENTS}`)
    .tag("writer", `w,${writer}`)
    .intField("id", id)
    .floatField("value", valueOf(id))
    .stringField("text", textOf(id))
    .uintField("large", largeOf(id))
    .booleanField("odd", id % 2 === 1)
    .timestamp(String(timeOf(writer, id)));
}

function valueOf(id: number): number {
  return id / 7;
}

function textOf(id: number): string {
  return `point "${id}", \\ = ✓`;
}

function largeOf(id: number): string {
  return String(18_446_744_073_709_551_615n - BigInt(id));
}

function timeOf(writer: number, id: number): bigint {
  return BASE_NS + BigInt(id) * STEP_NS + BigInt(writer);
}

/** Reads everything back and compares it with what was sent. */
async function verify(url: string, batches: readonly SentBatch[]): Promise<void> {
  for (let writer = 0; writer < WRITERS; writer++) {
    const found = await readIds(url, writer);
    for (const batch of batches) {
      if (batch.writer !== writer) continue;
      const ids = Array.from(
        { length: batch.lastId - batch.firstId + 1 },
        (_, index) => batch.firstId + index,
      );
      const present = ids.filter((id) => found.delete(id)).length;
      const name = `${batch.outcome} batch ${batch.firstId}-${batch.lastId} of writer ${writer}`;
      if (batch.outcome === "acknowledged") assert.equal(present, ids.length, `${name} is lost`);
      if (batch.outcome === "refused") assert.equal(present, 0, `${name} is there`);
      assert.ok(present === 0 || present === ids.length, `${name} is there in part`);
    }
    assert.equal(found.size, 0, `writer ${writer}: points that were never sent`);
  }
}

/** Ids of one writer, each checked to be there once, with exactly the values that were sent. */
async function readIds(url: string, writer: number): Promise<Set<number>> {
  const ids = new Set<number>();
  for (let measurement = 0; measurement < MEASUREMENTS; measurement++) {
    const columns = "id, value, text, large, odd, epoch_ns(time)";
    const sql = `SELECT ${columns} FROM "${DATABASE}"."m ${measurement}" WHERE writer = 'w,${writer}'`;
    for (const row of await queryRows(url, TOKEN, sql)) {
      const id = Number(row[0]);
      const expected = [
        id,
        valueOf(id),
        textOf(id),
        largeOf(id),
        id % 2 === 1,
        String(timeOf(writer, id)),
      ];
      assert.deepEqual(row, expected, `writer ${writer}, point ${id}`);
      assert.equal(id % MEASUREMENTS, measurement);
      assert.equal(ids.has(id), false, `writer ${writer}: point ${id} is there twice`);
      ids.add(id);
    }
  }
  return ids;
}

function start(dataDirectory: string): ServerProcess {
  const variables = { WALNUT_TOKEN: TOKEN };
  return ServerProcess.start({ dataDirectory, flags: SERVER_FLAGS, variables });
}

/** `--name value` on the command line, else `WALNUT_KILL_NAME` in the environment. */
function setting(name: string): string | undefined {
  const index = process.argv.indexOf(`--${name}`);
  return index === -1 ? process.env[`WALNUT_KILL_${name.toUpperCase()}`] : process.argv[index + 1];
}

/** The moment of a kill is the one thing here that is about real time. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Mulberry32: small, seeded, good enough to choose moments and sizes. */
function randomFrom(first: number): () => number {
  let state = first >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
