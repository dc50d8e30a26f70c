/**
 * A real server process that is asked for far more than it has: one client does not starve another, and its memory stays
 * inside what its options add up to.
 *
 * `WALNUT_FLOOD_SECONDS=300 npm test -- overload` floods for longer.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "../temporary-directory.ts";
import type { FloodOrder } from "./flood-client.ts";
import { queryRows, ServerProcess } from "./server-process.ts";

const FLOOD_CLIENT = fileURLToPath(new URL("./flood-client.ts", import.meta.url));
const SOURCE_FLAGS = ["--conditions=@walnut/source", "--import", "tsx"];
const ADMIN = "the-token-of-the-configuration";
const MIB = 1024 * 1024;
const SECONDS = Number(process.env["WALNUT_FLOOD_SECONDS"] ?? 3);

/** The rule of docs/configuration.md: memory that no budget covers, for Node, DuckDB, threads, heap. */
const BASE_BYTES = 256 * MIB;

interface Started {
  readonly server: ServerProcess;
  readonly url: string;
}

async function start(context: TestContext, flags: readonly string[]): Promise<Started> {
  const dataDirectory = await temporaryDirectory();
  const variables = { WALNUT_TOKEN: ADMIN };
  const server = ServerProcess.start({ dataDirectory, flags, variables });
  context.after(() => server.kill("SIGKILL"));
  return { server, url: await server.readyUrl() };
}

async function makeToken(url: string, name: string): Promise<string> {
  const response = await fetch(`${url}/api/v1/tokens`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN}` },
    body: JSON.stringify({ name, rights: ["read", "write"] }),
  });
  return ((await response.json()) as { token: string }).token;
}

/** Runs the flood; resolves with how often each kind got which answer. */
function flood(context: TestContext, order: FloodOrder): Promise<Record<string, number>> {
  const child = spawn(process.execPath, [...SOURCE_FLAGS, FLOOD_CLIENT, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as Record<string, number>);
      else reject(new Error(`the flood ended with ${code}: ${output}`));
    });
  });
}

/** One write after another, as a client with manners does; the latencies in milliseconds. */
async function writePolitely(
  url: string,
  token: string,
  isOver: () => boolean,
): Promise<{ readonly latenciesMs: readonly number[]; readonly statuses: readonly number[] }> {
  const latenciesMs: number[] = [];
  const statuses: number[] = [];
  for (let id = 0; !isOver(); id++) {
    const startedMs = performance.now();
    const response = await fetch(`${url}/write?db=polite`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: `polite id=${id}i ${id + 1}`,
    });
    await response.arrayBuffer();
    statuses.push(response.status);
    latenciesMs.push(performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { latenciesMs: latenciesMs.toSorted((a, b) => a - b), statuses };
}

function percentile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}

suite("overload", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  test("a greedy client is told to wait, and a polite one beside it is served as before", async (context) => {
    const { url } = await start(context, ["--client-max-requests=8"]);
    const polite = await makeToken(url, "polite");
    const greedy = await makeToken(url, "greedy");
    const aloneMs = performance.now() + 1_000;
    const alone = await writePolitely(url, polite, () => performance.now() > aloneMs);

    let isOver = false;
    const durationMs = SECONDS * 1_000;
    const kinds = { small: 80, query: 4 };
    const flooding = flood(context, {
      url,
      tokens: [greedy],
      durationMs,
      kinds,
      until: ["204", "429"],
    }).finally(() => (isOver = true));
    const beside = await writePolitely(url, polite, () => isOver);
    const counts = await flooding;

    const p99 = percentile(beside.latenciesMs, 0.99);
    const aloneP99 = percentile(alone.latenciesMs, 0.99);
    context.diagnostic(
      `p99 alone ${aloneP99.toFixed(1)} ms, beside ${p99.toFixed(1)} ms; ` +
        `${beside.statuses.length} polite requests, greedy: ${JSON.stringify(counts)}`,
    );
    assert.ok((counts["small 429"] ?? 0) > 0, "the greedy one was refused");
    assert.ok((counts["small 204"] ?? 0) > 0, "and served within its share");
    assert.deepEqual(
      beside.statuses.filter((status) => status !== 204),
      [],
    );
    assert.ok(beside.statuses.length > 20, `${beside.statuses.length} requests`);
    // The machine may be busy with other things: then both are slow.
    assert.ok(p99 < 500 + 10 * aloneP99, `p99 ${p99} ms, alone ${aloneP99} ms`);
  });

  test("memory stays inside the sum of the budgets under every kind of flood", async (context) => {
    const budgets = {
      "max-in-flight-bytes": 64 * MIB,
      "max-memory-bytes": 64 * MIB,
      "query-memory-bytes": 64 * MIB,
      "max-answer-bytes": 32 * MIB,
    };
    const flags = Object.entries(budgets).map(([name, bytes]) => `--${name}=${bytes}`);
    const bodies = ["--max-body-bytes=8388608", "--max-decoded-body-bytes=8388608"];
    const patience = ["--request-timeout-ms=10000", "--headers-timeout-ms=1000"];
    const { server, url } = await start(context, [...flags, ...bodies, ...patience]);
    const idleBytes = await residentBytes(server.processId, "VmRSS");
    // Several clients: the share of one must not be what keeps the memory small.
    const tokens = await Promise.all(["a", "b", "c"].map((name) => makeToken(url, name)));
    const kinds = {
      small: 20,
      large: 20,
      chunked: 10,
      bomb: 20,
      endless: 10,
      sparse: 20,
      query: 10,
      slowReader: 20,
      slowWriter: 10,
    };
    const until = ["204", "503"];
    const durationMs = SECONDS * 1_000;
    const counts = await flood(context, { url, tokens, durationMs, kinds, until });

    const peakBytes = await residentBytes(server.processId, "VmHWM");
    const boundBytes =
      BASE_BYTES +
      3 * (budgets["max-in-flight-bytes"] + budgets["max-memory-bytes"]) +
      budgets["query-memory-bytes"] +
      2 * budgets["max-answer-bytes"];
    context.diagnostic(
      `peak ${mib(peakBytes)}, bound ${mib(boundBytes)}, idle ${mib(idleBytes)}; ${JSON.stringify(counts)}`,
    );
    assert.ok(peakBytes > idleBytes + 32 * MIB, "there was a flood");
    const answered = new Set(Object.keys(counts).map((outcome) => outcome.split(" ")[1]));
    for (const status of until) assert.ok(answered.has(status), status);
    assert.ok(peakBytes < boundBytes, `peak ${mib(peakBytes)}, bound ${mib(boundBytes)}`);
    // It is the same server, it holds what it acknowledged, and it takes more.
    const endMs = performance.now() + 60_000;
    let statuses: readonly number[] = [];
    const isWritten = (): boolean => statuses.includes(204);
    while (!isWritten() && performance.now() < endMs) {
      ({ statuses } = await writePolitely(url, tokens[0] ?? "", once()));
    }
    assert.ok(isWritten(), "what was in memory is flushed, and there is room again");
    assert.deepEqual(await queryRows(url, ADMIN, "SELECT count(*) FROM polite.polite"), [[1]]);
  });
});

/** False the first time. */
function once(): () => boolean {
  let count = 0;
  return () => count++ > 0;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

/** `VmRSS`: resident now; `VmHWM`: most that ever was. */
async function residentBytes(processId: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const text = await readFile(`/proc/${processId}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1024;
}
