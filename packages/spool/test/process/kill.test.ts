/**
 * kill -9 of the agent and of its upstream at random moments: what the agent has answered is upstream, once where the upstream is a Walnut
 * server, at least once and in order where it is a plain one. `WALNUT_KILL_CYCLES=50 npm test -- spool/test/process/kill` does it for longer.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SeededRandom } from "@walnut/testkit";
import { PlainUpstream, until } from "../forward/plain-upstream.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { WalnutProcess } from "./walnut-process.ts";

const CYCLES = Number(process.env["WALNUT_KILL_CYCLES"] ?? "3");
const CATEGORIES = ["logging", "metric"];
const SEED = Number(process.env["WALNUT_KILL_SEED"] ?? "1");

/** Writes numbered lines, one after the other in each category, and never one twice. */
class Producer {
  readonly answered: Readonly<Record<string, number[]>> = { logging: [], metric: [] };
  #next = 1;
  #isStopped = false;
  #running: Promise<unknown> = Promise.resolve();

  start(url: string): void {
    this.#isStopped = false;
    this.#running = Promise.all(CATEGORIES.map((category) => this.#write(url, category)));
  }

  /** Waits until that many were answered in each category: on a slow machine none may be, otherwise. */
  async hasAnswers(count: number): Promise<void> {
    await until(() => Object.values(this.answered).every(({ length }) => length >= count));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #write(url: string, category: string): Promise<void> {
    while (!this.#isStopped) {
      const number = this.#next++;
      const body = `items,category=${category} n=${number}i ${1_700_000_000_000_000_000n + BigInt(number)}`;
      try {
        const response = await fetch(`${url}/v1/write/${category}`, { method: "POST", body });
        if (response.status === 204) this.answered[category]?.push(number);
      } catch {
        return; // Killed: whether the item is spooled is not known, and it is not sent again.
      }
    }
  }
}

function forwardWords(directory: string, to: string): readonly string[] {
  const words = ["forward", "--listen", "127.0.0.1:0", "--to", to, "--wal-path", directory];
  const pace = ["--linger-ms", "2", "--retry-max-delay-ms", "200", "--max-batch-items", "20"];
  return [...words, ...pace, "--categories", CATEGORIES.join(",")];
}

/** Numbers in lines of the producer. */
function numbersOf(lines: readonly string[]): readonly number[] {
  return lines.map((line) => Number(/ n=(\d+)i/.exec(line)?.[1]));
}

suite("an agent that is killed", { timeout: 240_000 + CYCLES * 20_000 }, () => {
  test("ships everything to a plain upstream, in order, though perhaps twice", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const random = new SeededRandom(SEED);
    upstream.misbehave = (_, response) => {
      // The answer is lost of some that are taken.
      if (!random.chance(0.1)) return false;
      response.writeHead(503).end();
      return true;
    };
    const words = forwardWords(temporaryDirectory(context), upstream.url);
    const variables = { WALNUT_FORWARD_PROTOCOL: "category" };
    const producer = new Producer();
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const agent = WalnutProcess.start(context, words, variables);
      producer.start(await agent.url());
      await new Promise((resolve) => setTimeout(resolve, random.between(50, 700)));
      await producer.hasAnswers(cycle + 2);
      await agent.kill("SIGKILL");
      await producer.stop();
    }
    const last = WalnutProcess.start(context, words, variables);
    const drain = await fetch(`${await last.url()}/v1/forward/drain`, { method: "POST" });
    assert.deepEqual(await drain.json(), { is_drained: true, left: 0 });
    assert.equal(await last.kill("SIGTERM"), 0);
    for (const category of CATEGORIES) {
      const answered = producer.answered[category] ?? [];
      assert.ok(answered.length > CYCLES, `${answered.length} answered`);
      const stored = numbersOf(upstream.lines(category));
      const firsts = [...new Set(stored)];
      assert.deepEqual(
        firsts,
        firsts.toSorted((a, b) => a - b),
      );
      assert.deepEqual(
        answered.filter((number) => !firsts.includes(number)),
        [],
      );
    }
  });

  test("ships everything to a Walnut server exactly once, though that is killed too", async (context) => {
    const random = new SeededRandom(SEED + 1);
    const data = temporaryDirectory(context);
    const serve = (port: string): WalnutProcess =>
      WalnutProcess.start(context, ["serve", "--data-dir", data, "--port", port]);
    let server = serve("0");
    const to = await server.url();
    const token = readFileSync(join(data, "token"), "utf8").trim();
    const words = forwardWords(temporaryDirectory(context), to);
    const producer = new Producer();
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const agent = WalnutProcess.start(context, words, { WALNUT_FORWARD_TOKEN: token });
      producer.start(await agent.url());
      await new Promise((resolve) => setTimeout(resolve, random.between(50, 700)));
      if (cycle % 2 === 1) {
        await server.kill("SIGKILL");
        await new Promise((resolve) => setTimeout(resolve, random.between(10, 100)));
        server = serve(new URL(to).port);
      }
      await producer.hasAnswers(cycle + 2);
      await agent.kill("SIGKILL");
      await producer.stop();
    }
    await server.url();
    const last = WalnutProcess.start(context, words, { WALNUT_FORWARD_TOKEN: token });
    const drain = await fetch(`${await last.url()}/v1/forward/drain`, { method: "POST" });
    assert.deepEqual(await drain.json(), { is_drained: true, left: 0 });
    const letters = await fetch(`${await last.url()}/v1/forward/dead-letters`);
    assert.deepEqual(await letters.json(), { dead_letters: [] });
    await last.kill("SIGTERM");
    for (const category of CATEGORIES) {
      const sql = `SELECT n FROM ${category}.items ORDER BY n`;
      const response = await fetch(`${to}/api/v1/query`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ sql }),
      });
      const { data: rows } = (await response.json()) as {
        readonly data: readonly [number | string][];
      };
      const stored = rows.map(([number]) => Number(number));
      assert.equal(new Set(stored).size, stored.length, "stored twice");
      const answered = producer.answered[category] ?? [];
      assert.ok(answered.length > CYCLES, `${answered.length} answered`);
      const kept = new Set(stored);
      assert.deepEqual(
        answered.filter((number) => !kept.has(number)),
        [],
      );
    }
    await server.kill("SIGTERM");
  });

  test("is told to stop while it drains, says what is left, and leaves its directory to the next", async (context) => {
    const upstream = await PlainUpstream.start(context);
    let isHanging = true;
    upstream.misbehave = () => isHanging;
    const words = forwardWords(temporaryDirectory(context), upstream.url);
    const variables = { WALNUT_FORWARD_PROTOCOL: "category" };
    const agent = WalnutProcess.start(context, words, variables);
    const url = await agent.url();
    for (let number = 1; number <= 5; number++) {
      const body = `items n=${number}i`;
      const { status } = await fetch(`${url}/v1/write/logging`, { method: "POST", body });
      assert.equal(status, 204);
    }
    const second = await WalnutProcess.start(context, words, variables).ended();
    assert.equal(second.code, 1);
    assert.match(second.output, /WAL_LOCKED/);
    await fetch(`${url}/v1/forward/pause`, { method: "POST" });
    const drain = fetch(`${url}/v1/forward/drain?timeout_ms=600000`, { method: "POST" });
    await until(() => upstream.requests.length > 0);
    // A drain ends the pause: it has come.
    await until(async () => {
      const status = await fetch(`${url}/v1/forward/status`);
      return ((await status.json()) as { readonly state: string }).state === "running";
    });
    assert.equal(await agent.kill("SIGTERM"), 0);
    assert.deepEqual(await (await drain).json(), { is_drained: false, left: 5 });

    isHanging = false;
    const [claimed] = upstream.requests.splice(0);
    const next = WalnutProcess.start(context, words, variables);
    await next.url();
    await until(() => upstream.lines("logging").length === 5);
    assert.deepEqual(upstream.requests[0], claimed);
    assert.deepEqual(numbersOf(upstream.lines("logging")), [1, 2, 3, 4, 5]);
    assert.equal(await next.kill("SIGTERM"), 0);
  });
});
