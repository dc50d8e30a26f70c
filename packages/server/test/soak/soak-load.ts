/**
 * The clients of a soak: writers of two protocols that know exactly what they have written, and one that asks.
 *
 * A writer numbers its requests as a producer and sends each until it is answered, through kills and outages: so every row
 * is stored once, and the sums at the end have one right value.
 */
import { setTimeout as delay } from "node:timers/promises";
import { pack } from "msgpackr";
import type { LatencySample } from "./soak-verdict.ts";

/** Where the server is now: its address changes with every life. */
export interface SoakTarget {
  /** Resolves with the URL as soon as there is a server that is ready. */
  url(): Promise<string>;
  /** The bucket is away: queries of cold data may fail. */
  readonly isOutage: boolean;
}

export const SOAK_TOKEN = "soak-token";
export const SOAK_DATABASE = "soak";

const ROWS_PER_REQUEST = 500;
const BASE_MS = 1_700_000_000_000;
const RETRY_PAUSE_MS = 100;
const REQUEST_TIMEOUT_MS = 60_000;
const QUERY_PAUSE_MS = 500;
const AUTHORIZATION = { authorization: `Bearer ${SOAK_TOKEN}` };

/** One writer: a table of its protocol, and a column that tells its rows from those of others. */
export class SoakWriter {
  readonly name: string;
  readonly table: "lines" | "columns";
  readonly latencies: LatencySample[] = [];
  rows = 0;
  /** Sum of the column `v`: 0 + 1 + 2 + … */
  sum = 0;
  requests = 0;
  retries = 0;
  #seq = 0;

  constructor(name: string, table: "lines" | "columns") {
    this.name = name;
    this.table = table;
  }

  /** Writes until `isDone`, one request each `intervalMs` or as fast as they are answered. */
  async run(target: SoakTarget, intervalMs: number, isDone: () => boolean): Promise<void> {
    let next = performance.now();
    while (!isDone()) {
      await this.#writeOnce(target);
      next = Math.max(next + intervalMs, performance.now() - intervalMs);
      await delay(Math.max(0, next - performance.now()));
    }
  }

  async #writeOnce(target: SoakTarget): Promise<void> {
    const from = this.rows;
    const body = this.table === "lines" ? this.#lines(from) : this.#columns(from);
    const path =
      this.table === "lines" ? `/write?db=${SOAK_DATABASE}&precision=ms` : "/api/v1/write/msgpack";
    const headers = {
      ...AUTHORIZATION,
      "x-walnut-database": SOAK_DATABASE,
      "x-walnut-producer": this.name,
      "x-walnut-epoch": "1",
      "x-walnut-seq": String(++this.#seq),
    };
    for (let attempt = 0; ; attempt++) {
      const url = await target.url();
      const startedMs = performance.now();
      const status = await send(`${url}${path}`, { method: "POST", headers, body });
      if (status === 204) {
        const atMs = performance.now();
        if (attempt === 0) this.latencies.push({ atMs, ms: atMs - startedMs });
        break;
      }
      this.retries++;
      await delay(RETRY_PAUSE_MS);
    }
    this.requests++;
    this.rows += ROWS_PER_REQUEST;
    this.sum += ROWS_PER_REQUEST * from + (ROWS_PER_REQUEST * (ROWS_PER_REQUEST - 1)) / 2;
  }

  #lines(from: number): string {
    let text = "";
    for (let v = from; v < from + ROWS_PER_REQUEST; v++) {
      text += `lines,writer=${this.name} v=${v}i,load=${v % 100}.5 ${BASE_MS + v * 10}\n`;
    }
    return text;
  }

  #columns(from: number): Uint8Array {
    const numbers = Array.from({ length: ROWS_PER_REQUEST }, (_, index) => from + index);
    return pack({
      m: "columns",
      columns: {
        time: numbers.map((v) => BASE_MS + v * 10),
        writer: numbers.map(() => this.name),
        v: numbers,
        load: numbers.map((v) => (v % 100) + 0.5),
      },
    });
  }
}

/** Asks for counts while rows come in: none that was acknowledged may be missing, none that was never sent may be there. */
export class SoakReader {
  readonly latencies: LatencySample[] = [];
  readonly misses: string[] = [];
  refused = 0;
  readonly #writers: readonly SoakWriter[];

  constructor(writers: readonly SoakWriter[]) {
    this.#writers = writers;
  }

  async run(target: SoakTarget, isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      for (const table of ["lines", "columns"] as const) await this.#ask(target, table);
      await delay(QUERY_PAUSE_MS);
    }
  }

  async #ask(target: SoakTarget, table: SoakWriter["table"]): Promise<void> {
    const writers = this.#writers.filter((writer) => writer.table === table);
    const written = (): number => writers.reduce((sum, { rows }) => sum + rows, 0);
    const atLeast = written();
    if (atLeast === 0) return;
    const url = await target.url();
    const startedMs = performance.now();
    const rows = await query(url, `SELECT count(*) FROM ${SOAK_DATABASE}.${table}`).catch(
      () => undefined,
    );
    // Each writer has one request under way that may be stored and not answered yet.
    const atMost = written() + writers.length * ROWS_PER_REQUEST;
    if (rows === undefined) {
      this.refused++;
      return;
    }
    const atMs = performance.now();
    this.latencies.push({ atMs, ms: atMs - startedMs });
    const count = Number(rows[0]?.[0]);
    if (count < atLeast || count > atMost) {
      this.misses.push(`${table}: ${count} rows, expected ${atLeast} to ${atMost}`);
    }
  }
}

/** Status of an answer; 0 without one. @throws {Error} for answers that no retry makes better */
async function send(url: string, init: RequestInit): Promise<number> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    text = await response.text();
  } catch {
    return 0; // Killed, restarting, or cut: to be sent again.
  }
  const { status } = response;
  if (status === 204 || status === 429 || status === 503) return status;
  throw new Error(`a write was answered ${status}: ${text}`);
}

/** Rows of an answer. @throws {Error} when there is none */
export async function query(url: string, sql: string): Promise<readonly (readonly unknown[])[]> {
  const response = await fetch(`${url}/api/v1/query`, {
    method: "POST",
    headers: AUTHORIZATION,
    body: JSON.stringify({ sql }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const { data, error } = (await response.json()) as { data?: unknown[][]; error?: string };
  if (data === undefined) throw new Error(`${sql}: ${response.status} ${error}`);
  return data;
}

/** Calls a route that changes something. @throws {Error} when it is refused */
export async function call(
  url: string,
  request: string,
  body?: string,
): Promise<Readonly<Record<string, unknown>>> {
  const [method = "GET", path = ""] = request.split(" ");
  const response = await fetch(url + path, {
    method,
    headers: AUTHORIZATION,
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${request}: ${response.status} ${text}`);
  return text === "" ? {} : JSON.parse(text);
}
