/**
 * What the tests that kill servers share: writers with the unmodified InfluxDB client that remember what became of each
 * request, and the comparison of what is found with what was sent.
 */
import assert from "node:assert/strict";
import { HttpError, InfluxDB, Point, type WriteApi } from "@influxdata/influxdb-client";
import { queryRows } from "./server-process.ts";

export const TOKEN = "kill-test-token";
const DATABASE = "kill";
export const WRITERS = 4;
const MEASUREMENTS = 3;
const MAX_BATCH_POINTS = 200;
const BASE_NS = 1_700_000_000_000_000_000n;
/** Steps between points that put them into several hours, so that a flush writes several files. */
const STEP_NS = 37_000_000_001n;

export type Outcome = "acknowledged" | "refused" | "unanswered";

/** One request: points `firstId` to `lastId` of one writer. */
export interface SentBatch {
  readonly writer: number;
  readonly firstId: number;
  readonly lastId: number;
  readonly outcome: Outcome;
}

/** One connection with one client, writing request after request until one fails. */
export class Writer {
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

/** Waits until each table has an acknowledged point, so that all can be queried later: on a slow machine the first life is longer. */
export async function everyTableIsThere(
  writers: readonly Writer[],
  isOver: () => boolean,
): Promise<void> {
  const isThere = (): boolean =>
    writers.some(({ batches }) =>
      batches.some(
        ({ outcome, firstId, lastId }) =>
          outcome === "acknowledged" && lastId - firstId + 1 >= MEASUREMENTS,
      ),
    );
  while (!isOver() && !isThere()) await pause(10);
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
export async function verify(url: string, batches: readonly SentBatch[]): Promise<void> {
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

/** `--name value` on the command line, else `WALNUT_KILL_NAME` in the environment. */
export function setting(name: string): string | undefined {
  const index = process.argv.indexOf(`--${name}`);
  return index === -1 ? process.env[`WALNUT_KILL_${name.toUpperCase()}`] : process.argv[index + 1];
}

/** The moment of a kill is the one thing here that is about real time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Mulberry32: small, seeded, good enough to choose moments and sizes. */
export function randomFrom(first: number): () => number {
  let state = first >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
