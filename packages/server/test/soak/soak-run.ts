/**
 * A soak: a real server, real clients, and everything that happens to a server in a year, in minutes.
 *
 * In the first 60 % of the time the server is killed again and again, workers of it die, and the object store is away for
 * a while. Then it is left alone, and memory, open files and times to an answer must stay as they are. At the end every
 * writer's count and sum are exact, before and after a clean restart, and the logs are verified.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ServerProcess } from "../process/server-process.ts";
import { processFamily, sampleProcess, type ProcessSample } from "./process-watch.ts";
import {
  call,
  query,
  SOAK_DATABASE,
  SOAK_TOKEN,
  SoakReader,
  SoakWriter,
  type SoakTarget,
} from "./soak-load.ts";
import { judgeSteadiness, percentile, type Judgement } from "./soak-verdict.ts";

/** How a soak is run. */
export interface SoakOptions {
  readonly dataDirectory: string;
  readonly seconds: number;
  readonly workers: number;
  /** All writers together. */
  readonly rowsPerSecond: number;
  /** Flags and variables for an object store, and how to take it away. */
  readonly objectStore: SoakObjectStore | undefined;
  readonly print: (line: string) => void;
}

export interface SoakObjectStore {
  readonly flags: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

const CHAOS_SHARE = 0.6;
/** Numbers of each writer that one question asks for. */
const SLICE_NUMBERS = 1_000_000;
/** A machine with much else to do may take seconds for each. */
const MIN_LOOKS = 20;
const LIVES = 8;
const MIN_LIFE_SECONDS = 2;
const MAX_LIFE_SECONDS = 60;
const WRITERS = 4;
const ROWS_PER_REQUEST = 500;
const SAMPLE_INTERVAL_MS = 250;
const OLD_MS = 30 * 86_400_000;
const MS_PER_SECOND = 1_000;

/** Runs it. The result says what was judged; nothing is thrown for a miss. */
export async function runSoak(options: SoakOptions): Promise<readonly Judgement[]> {
  return await new Soak(options).run();
}

class Soak implements SoakTarget {
  isOutage = false;
  readonly #options: SoakOptions;
  readonly #writers: readonly SoakWriter[];
  readonly #reader: SoakReader;
  readonly #samples: ProcessSample[] = [];
  readonly #startsMs: number[] = [];
  #server: ServerProcess | undefined;
  #url: Promise<string>;
  #announce: (url: string) => void = () => undefined;
  #isDone = false;
  #kills = 0;
  #outages = 0;

  constructor(options: SoakOptions) {
    this.#options = options;
    this.#writers = Array.from({ length: WRITERS }, (_, index) => {
      return new SoakWriter(`w${index}`, index % 2 === 0 ? "lines" : "columns");
    });
    this.#reader = new SoakReader(this.#writers);
    this.#url = this.#noServer();
  }

  url(): Promise<string> {
    return this.#url;
  }

  async run(): Promise<readonly Judgement[]> {
    const { seconds, rowsPerSecond, print } = this.#options;
    const intervalMs = (MS_PER_SECOND * WRITERS * ROWS_PER_REQUEST) / rowsPerSecond;
    try {
      await this.#start();
      await this.#writeOldRows();
      const isDone = (): boolean => this.#isDone;
      const load = Promise.all([
        ...this.#writers.map((writer) => writer.run(this, intervalMs, isDone)),
        this.#reader.run(this, isDone),
      ]);
      // A writer that gives up ends the soak at once.
      const story = this.#live(seconds).finally(() => (this.#isDone = true));
      const failure = await Promise.race([
        load.then(undefined, asError),
        story.then(undefined, asError),
      ]);
      this.#isDone = true;
      await Promise.allSettled([load, story]);
      if (failure instanceof Error) throw failure;
      print(this.#summary());
      return [...this.#judgeReader(), ...this.#judgeQuietTime(), ...(await this.#judgeRows())];
    } finally {
      this.#server?.kill("SIGKILL");
      await this.#server?.ended;
    }
  }

  #quietSinceMs = 0;

  async #live(seconds: number): Promise<void> {
    const { objectStore, print, workers } = this.#options;
    const chaosSeconds = CHAOS_SHARE * seconds;
    const lifeSeconds = Math.min(
      MAX_LIFE_SECONDS,
      Math.max(MIN_LIFE_SECONDS, chaosSeconds / LIVES),
    );
    const lives = Math.max(1, Math.floor(chaosSeconds / lifeSeconds));
    const lifeWithOutage = Math.floor(lives / 2);
    for (let life = 0; life < lives; life++) {
      if (life === lifeWithOutage && objectStore !== undefined) {
        print("the object store is away");
        this.isOutage = true;
        this.#outages++;
        await objectStore.stop();
      }
      await delay(lifeSeconds * MS_PER_SECOND);
      if (workers > 1 && life % 2 === 1) await this.#killWorker();
      else await this.#killServer();
      if (this.isOutage) {
        await objectStore?.start();
        this.isOutage = false;
        print("the object store is back");
      }
    }
    print(`left alone for ${(seconds - chaosSeconds).toFixed(0)} s`);
    this.#quietSinceMs = performance.now();
    const endMs = performance.now() + (seconds - chaosSeconds) * MS_PER_SECOND;
    const { processId } = this.#running();
    for (let looks = 0; performance.now() < endMs || looks < MIN_LOOKS; looks++) {
      const sample = await sampleProcess(processId);
      if (sample !== undefined) this.#samples.push(sample);
      await delay(SAMPLE_INTERVAL_MS);
    }
  }

  async #start(): Promise<void> {
    const { dataDirectory, workers, objectStore } = this.#options;
    const startedMs = performance.now();
    this.#server = ServerProcess.start({
      dataDirectory,
      flags: [
        `--workers=${workers}`,
        "--flush-age-ms=500",
        "--segment-size-bytes=4194304",
        "--compaction-interval-ms=1000",
        "--compaction-min-files=4",
        ...(objectStore?.flags ?? []),
      ],
      variables: { WALNUT_TOKEN: SOAK_TOKEN, ...objectStore?.variables },
    });
    const url = await this.#server.readyUrl();
    this.#startsMs.push(performance.now() - startedMs);
    this.#announce(url);
  }

  async #killServer(): Promise<void> {
    this.#url = this.#noServer();
    this.#kills++;
    const server = this.#running();
    server.kill("SIGKILL");
    await server.ended;
    await this.#start();
    this.#options.print(`kill ${this.#kills}: ready again after ${ms(this.#startsMs.at(-1))} ms`);
  }

  /** The others go on; it is started again by the server. */
  async #killWorker(): Promise<void> {
    const { processId } = this.#running();
    const worker = (await processFamily(processId)).findLast((id) => id !== processId);
    if (worker === undefined) throw new Error("a server with workers has no processes of theirs");
    this.#kills++;
    process.kill(worker, "SIGKILL");
    this.#options.print(`kill ${this.#kills}: a worker`);
  }

  /** Rows that retention has to remove, beside those that it must leave alone. */
  async #writeOldRows(): Promise<void> {
    const url = await this.url();
    const line = `old v=1 ${Date.now() - OLD_MS}`;
    await call(url, `POST /write?db=old&precision=ms`, line);
    const rules = { rules: [{ database: "old", keep_days: 1 }] };
    await call(url, "PUT /api/v1/retention", JSON.stringify(rules));
  }

  async #judgeRows(): Promise<readonly Judgement[]> {
    const before = await this.#compareSums("counts and sums");
    const url = await this.url();
    await call(url, "POST /api/v1/wal/flush");
    await call(url, "POST /api/v1/retention/run?trust_clock=true");
    const old = await this.#oldRows(url);
    const { valid } = await call(url, "POST /api/v1/wal/verify");
    this.#url = this.#noServer();
    const server = this.#running();
    server.kill("SIGTERM");
    const { code } = await server.ended;
    await this.#start();
    return [
      before,
      {
        name: "retention",
        isGood: old === 0,
        text: `${old} old rows left`,
      },
      { name: "logs verified", isGood: valid === true, text: String(valid) },
      { name: "clean stop", isGood: code === 0, text: `exit code ${String(code)}` },
      await this.#compareSums("after a restart"),
    ];
  }

  /** A table without rows is no table any more. */
  async #oldRows(url: string): Promise<number> {
    try {
      return Number((await query(url, "SELECT count(*) FROM old.old"))[0]?.[0]);
    } catch (error) {
      if (asError(error).message.includes(": 400 ")) return 0;
      throw error;
    }
  }

  async #compareSums(name: string): Promise<Judgement> {
    const url = await this.url();
    const wrong: string[] = [];
    for (const table of ["lines", "columns"] as const) {
      const writers = this.#writers.filter((writer) => writer.table === table);
      const found = await sumsOf(url, table, Math.max(...writers.map(({ rows }) => rows)));
      for (const writer of writers) {
        const expected = `${writer.rows} rows, ${writer.rows} distinct, sum ${writer.sum}`;
        const actual = found.get(writer.name) ?? "nothing";
        if (actual !== expected) wrong.push(`${writer.name}: ${actual}, expected ${expected}`);
      }
    }
    const rows = this.#writers.reduce((sum, writer) => sum + writer.rows, 0);
    const text = wrong.length === 0 ? `exact: ${rows.toLocaleString("en")} rows` : wrong.join("; ");
    return { name, isGood: wrong.length === 0 && rows > 0, text };
  }

  #judgeReader(): readonly Judgement[] {
    const { misses, latencies } = this.#reader;
    const isGood = misses.length === 0 && latencies.length > 0;
    const text = misses.length === 0 ? `${latencies.length} counts were right` : misses.join("; ");
    return [{ name: "queries meanwhile", isGood, text }];
  }

  #judgeQuietTime(): readonly Judgement[] {
    const latencies = this.#writers
      .flatMap((writer) => writer.latencies)
      .filter(({ atMs }) => atMs >= this.#quietSinceMs)
      .toSorted((a, b) => a.atMs - b.atMs);
    return judgeSteadiness(this.#samples, latencies);
  }

  #summary(): string {
    const writes = this.#writers.flatMap((writer) => writer.latencies);
    const { latencies, refused } = this.#reader;
    const sum = (read: (writer: SoakWriter) => number): string =>
      this.#writers.reduce((total, writer) => total + read(writer), 0).toLocaleString("en");
    return [
      `rows      ${sum(({ rows }) => rows)} in ${sum(({ requests }) => requests)} requests, ${sum(({ retries }) => retries)} sent again`,
      `writes    p50 ${ms(percentile(writes, 0.5))} ms, p99 ${ms(percentile(writes, 0.99))} ms`,
      `queries   ${latencies.length}, ${refused} refused; p50 ${ms(percentile(latencies, 0.5))} ms, p99 ${ms(percentile(latencies, 0.99))} ms`,
      `kills     ${this.#kills}; outages ${this.#outages}; slowest start ${ms(Math.max(...this.#startsMs))} ms`,
    ].join("\n");
  }

  #running(): ServerProcess {
    if (this.#server === undefined) throw new Error("there is no server");
    return this.#server;
  }

  #noServer(): Promise<string> {
    return new Promise((resolve) => (this.#announce = resolve));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function ms(value: number | undefined): string {
  return (value ?? 0).toFixed(0);
}

/** Counts and sums of each writer. Some numbers at a time: distinct ones of a whole hour exceed the memory of queries. */
async function sumsOf(
  url: string,
  table: string,
  endNumber: number,
): Promise<ReadonlyMap<string, string>> {
  const totals = new Map<string, { rows: number; distinct: number; sum: bigint }>();
  // The first and the last slice are open: numbers that nobody sent would be found there.
  for (let from = 0; from < endNumber; from += SLICE_NUMBERS) {
    const bounds = [
      ...(from === 0 ? [] : [`v >= ${from}`]),
      ...(from + SLICE_NUMBERS >= endNumber ? [] : [`v < ${from + SLICE_NUMBERS}`]),
    ];
    const where = bounds.length === 0 ? "" : `WHERE ${bounds.join(" AND ")}`;
    const sql =
      "SELECT writer, count(*), count(DISTINCT v), CAST(sum(v) AS VARCHAR) " +
      `FROM ${SOAK_DATABASE}.${table} ${where} GROUP BY writer`;
    for (const [writer, rows, distinct, sum] of await query(url, sql)) {
      const total = totals.get(String(writer)) ?? { rows: 0, distinct: 0, sum: 0n };
      total.rows += Number(rows);
      total.distinct += Number(distinct);
      total.sum += BigInt(String(sum));
      totals.set(String(writer), total);
    }
  }
  return new Map(
    [...totals].map(([writer, { rows, distinct, sum }]) => [
      writer,
      `${rows} rows, ${distinct} distinct, sum ${sum}`,
    ]),
  );
}
