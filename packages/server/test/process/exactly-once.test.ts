/**
 * Exactly once under kill -9 and a network that loses answers: every client repeats each request, with its key or
 * its seq, until it is answered; at the end each row is there once.
 *
 * `WALNUT_KILL_CYCLES=50` runs more cycles, `WALNUT_KILL_SEED` repeats a run.
 */
import assert from "node:assert/strict";
import { request } from "node:http";
import { suite, test } from "node:test";
import { SeededRandom } from "@walnut/testkit";
import { temporaryDirectory } from "../temporary-directory.ts";
import { CuttingProxy } from "./cutting-proxy.ts";
import { queryRows, ServerProcess, workerIds } from "./server-process.ts";

const TOKEN = "exactly-once-token";
const CLIENTS = 4;
const MAX_ROWS = 30;
const MAX_LIFE_MS = 800;
/** Small segments and quick flushes: records of keys are released all the time. */
const SERVER_FLAGS = ["--flush-rows=200", "--flush-age-ms=50", "--segment-size-bytes=65536"];
/** Everything but 204 that a client has to expect here; it then sends the same again. */
const RETRIED_STATUS: ReadonlySet<number | undefined> = new Set([undefined, 503]);

const cycles = Number(process.env["WALNUT_KILL_CYCLES"] ?? 3);
const seed = Number(process.env["WALNUT_KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

interface Answer {
  /** `undefined`: there was none. */
  readonly status: number | undefined;
  readonly isReplayed: boolean;
}

suite("kill -9 and lost answers", () => {
  for (const workers of [1, 2]) {
    test(`each row is there once after ${cycles} kills, workers: ${workers}, seed ${seed}`, async (context) => {
      console.log(`repeat with: WALNUT_KILL_SEED=${seed} WALNUT_KILL_CYCLES=${cycles}`);
      const random = new SeededRandom(seed);
      const dataDirectory = await temporaryDirectory();
      const proxy = await CuttingProxy.start({
        random: () => random.below(1_000_000) / 1_000_000,
        answersCut: 0.15,
        requestsCut: 0.05,
      });
      context.after(() => proxy.close());
      const clients = Array.from(
        { length: CLIENTS },
        (_, index) => new Client(index, proxy, random),
      );
      const work = Promise.all(clients.map((client) => client.run()));
      let server = start(dataDirectory, workers);
      context.after(() => server.kill("SIGKILL"));
      for (let kills = 0; kills < cycles; kills++) {
        // Every other time only one of several workers, in the middle of writes that the others are asked for again.
        if (workers > 1 && kills % 2 === 0) {
          const url = await server.readyUrl();
          proxy.targetPort = Number(new URL(url).port);
          await pause(20 + random.below(MAX_LIFE_MS));
          const ids = await workerIds(url);
          process.kill(ids[random.below(ids.length)] ?? 0, "SIGKILL");
          continue;
        }
        if (random.chance(0.8)) {
          proxy.targetPort = Number(new URL(await server.readyUrl()).port);
          await pause(20 + random.below(MAX_LIFE_MS));
        } else {
          await pause(random.below(MAX_LIFE_MS)); // Perhaps in the middle of recovery.
        }
        proxy.targetPort = undefined;
        server.kill("SIGKILL");
        await server.ended;
        server = start(dataDirectory, workers);
      }
      const url = await server.readyUrl();
      proxy.targetPort = Number(new URL(url).port);
      for (const client of clients) client.stop();
      await work;
      for (const client of clients) await client.verify(url);
      server.kill("SIGTERM");
      assert.deepEqual(await server.ended, { code: 0, signal: null }, server.stderr);

      // Everything is in Parquet now, and most records of keys have been released.
      server = start(dataDirectory, workers);
      const lastUrl = await server.readyUrl();
      proxy.targetPort = Number(new URL(lastUrl).port);
      for (const client of clients) {
        await client.repeatEverything();
        await client.verify(lastUrl);
      }
      const sum = (of: (client: Client) => number): number =>
        clients.reduce((total, client) => total + of(client), 0);
      console.log(
        `${cycles} kills, ${sum((client) => client.requests)} requests, ` +
          `${sum((client) => client.retries)} sent again, ${sum((client) => client.replays)} of them answered again, ` +
          `${proxy.cutAnswers} answers and ${proxy.cutRequests} requests cut`,
      );
      assert.ok(
        sum((client) => client.replays) > 0,
        "some answer must have been lost after its write",
      );
      server.kill("SIGTERM");
      await server.ended;
    });
  }
});

suite("a log without room", () => {
  test("what it refused is stored by the retry, what it took is not stored again", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const variables = { WALNUT_TOKEN: TOKEN };
    // No file can be larger: the log meets its end in the middle of a segment, again and again.
    const first = ServerProcess.start({ dataDirectory, variables, maxFileKib: 2_048 });
    context.after(() => first.kill("SIGKILL"));
    const firstUrl = await first.readyUrl();
    const requests = 80;
    let refused = 0;
    for (let number = 0; number < requests; number++) {
      let answer = await sendKeyed(firstUrl, number);
      for (; answer.status === 503; refused++) answer = await sendKeyed(firstUrl, number);
      assert.deepEqual(answer, { status: 204, isReplayed: false });
    }
    assert.ok(refused > 0, "the log must have been full once");
    first.kill("SIGKILL");
    await first.ended;

    const second = ServerProcess.start({ dataDirectory, variables });
    context.after(() => second.kill("SIGKILL"));
    const url = await second.readyUrl();
    for (let number = 0; number < requests; number++) {
      assert.deepEqual(await sendKeyed(url, number), { status: 204, isReplayed: true });
    }
    const all = requests * ROWS_OF_KEYED;
    const sql = "SELECT count(*), count(DISTINCT id) FROM db.m";
    assert.deepEqual(await queryRows(url, TOKEN, sql), [[all, all]]);
    second.kill("SIGTERM");
    await second.ended;
  });
});

const ROWS_OF_KEYED = 500;

async function sendKeyed(
  url: string,
  number: number,
): Promise<{ readonly status: number; readonly isReplayed: boolean }> {
  const firstRow = number * ROWS_OF_KEYED;
  const ids = Array.from({ length: ROWS_OF_KEYED }, (_, row) => firstRow + row);
  const response = await fetch(`${url}/write?db=db`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "idempotency-key": `request-${number}` },
    body: ids.map((id) => `m id=${id}i,text="${"x".repeat(50)}${id}" ${id}`).join("\n"),
  });
  await response.arrayBuffer();
  return {
    status: response.status,
    isReplayed: response.headers.get("x-walnut-replayed") === "true",
  };
}

/** Sends request after request, each until it is answered. Even numbers use keys, odd ones are producers. */
class Client {
  readonly #index: number;
  readonly #proxy: CuttingProxy;
  readonly #random: SeededRandom;
  /** First row of each request that was answered. */
  readonly #firstRows: number[] = [];
  #nextRow = 0;
  #isStopped = false;
  retries = 0;
  replays = 0;

  constructor(index: number, proxy: CuttingProxy, random: SeededRandom) {
    this.#index = index;
    this.#proxy = proxy;
    this.#random = random;
  }

  get requests(): number {
    return this.#firstRows.length;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<void> {
    while (!this.#isStopped || this.requests < 5) {
      const firstRow = this.#nextRow;
      const endRow = firstRow + 1 + this.#random.below(MAX_ROWS);
      await this.#sendUntilAnswered(this.requests, firstRow, endRow);
      this.#firstRows.push(firstRow);
      this.#nextRow = endRow;
    }
  }

  /** Keys of any age are known; of a producer only the last request can be repeated. */
  async repeatEverything(): Promise<void> {
    for (const [number, firstRow] of this.#firstRows.entries()) {
      if (this.#index % 2 === 1 && number < this.requests - 1) continue;
      const endRow = this.#firstRows[number + 1] ?? this.#nextRow;
      const { isReplayed } = await this.#sendUntilAnswered(number, firstRow, endRow);
      assert.ok(isReplayed, `client ${this.#index}: request ${number} was stored again`);
    }
  }

  async verify(url: string): Promise<void> {
    const sql = `SELECT count(*), count(DISTINCT id), sum(id) FROM db.m WHERE client = '${this.#index}'`;
    const sum = (this.#nextRow * (this.#nextRow - 1)) / 2;
    const expected = [[this.#nextRow, this.#nextRow, String(sum)]];
    const found = (await queryRows(url, TOKEN, sql)).map(([all, distinct, total]) => [
      all,
      distinct,
      String(total),
    ]);
    assert.deepEqual(found, expected, `client ${this.#index}`);
  }

  async #sendUntilAnswered(number: number, firstRow: number, endRow: number): Promise<Answer> {
    const lines: string[] = [];
    for (let id = firstRow; id < endRow; id++)
      lines.push(`m,client=${this.#index} id=${id}i ${id}`);
    const body = lines.join("\n");
    for (let tries = 0; ; tries++) {
      const answer = await this.#send(number, body);
      if (tries > 0) this.retries++;
      if (answer.status === 204) {
        if (answer.isReplayed) this.replays++;
        return answer;
      }
      assert.ok(RETRIED_STATUS.has(answer.status), `status ${answer.status}`);
      await pause(5 + this.#random.below(20));
    }
  }

  #send(number: number, body: string): Promise<Answer> {
    const identity =
      this.#index % 2 === 0
        ? { "idempotency-key": `client-${this.#index}-request-${number}` }
        : {
            "x-walnut-producer": `client-${this.#index}`,
            "x-walnut-epoch": "1",
            "x-walnut-seq": `${number}`,
          };
    return new Promise((resolve) => {
      const nothing: Answer = { status: undefined, isReplayed: false };
      const sent = request(
        {
          port: this.#proxy.port,
          path: "/write?db=db",
          method: "POST",
          agent: false,
          headers: {
            authorization: `Bearer ${TOKEN}`,
            ...identity,
            "content-length": Buffer.byteLength(body),
          },
        },
        (response) => {
          response.resume();
          response.on("error", () => resolve(nothing));
          const isReplayed = response.headers["x-walnut-replayed"] === "true";
          response.on("end", () => resolve({ status: response.statusCode, isReplayed }));
        },
      );
      sent.on("error", () => resolve(nothing));
      sent.on("close", () => resolve(nothing));
      sent.end(body);
    });
  }
}

function start(dataDirectory: string, workers: number): ServerProcess {
  return ServerProcess.start({
    dataDirectory,
    flags: [...SERVER_FLAGS, `--workers=${workers}`],
    variables: { WALNUT_TOKEN: TOKEN },
  });
}

/** The moment of a kill is the one thing here that is about real time. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
