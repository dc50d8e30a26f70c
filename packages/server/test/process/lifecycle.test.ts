/** The `walnut serve` process as a person or a service manager meets it: first run, stop, refusals. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { SmallVolume, whyNotMountable } from "@walnut/testkit";
import { temporaryDirectory } from "../temporary-directory.ts";
import { queryRows, ServerProcess, type ServerProcessOptions } from "./server-process.ts";

const run = promisify(execFile);

function startServer(context: TestContext, options: ServerProcessOptions): ServerProcess {
  const server = ServerProcess.start(options);
  context.after(() => server.kill("SIGKILL"));
  return server;
}

/** Rows stay in the log. */
const LOG_ONLY = { variables: { WALNUT_TOKEN: "t" }, flags: ["--flush-age-ms", "3600000"] };
const COUNT = "SELECT count(*) FROM d.m";
const BATCH_ROWS = 10_000;

function writeBatch(url: string, firstRow: number): Promise<Response> {
  const lines = Array.from({ length: BATCH_ROWS }, (_, row) => `m v=${row} ${firstRow + row}`);
  return fetch(`${url}/write?db=d&p=t`, { method: "POST", body: lines.join("\n") });
}

/** Returns how many rows were acknowledged before a write was refused as it should be. */
async function writeUntilRefused(url: string, firstRow: number): Promise<number> {
  for (let acknowledged = 0; ; acknowledged += BATCH_ROWS) {
    const answer = await writeBatch(url, firstRow + acknowledged);
    if (answer.status === 204) continue;
    assert.equal(answer.status, 503);
    assert.notEqual(answer.headers.get("retry-after"), null);
    const { code } = (await answer.json()) as { code: string };
    assert.equal(code, "SERVER_WAL_UNAVAILABLE");
    return acknowledged;
  }
}

/** Whoever looks is told why writes are refused, and what to do. */
async function assertTroubleIsTold(url: string, why: RegExp): Promise<void> {
  const ready = await fetch(`${url}/ready`);
  assert.equal(ready.status, 503);
  assert.notEqual(ready.headers.get("retry-after"), null);
  const { status, reason } = (await ready.json()) as { status: string; reason: string };
  assert.equal(status, "degraded");
  assert.match(reason, why);
  const health = (await (await fetch(`${url}/health`)).json()) as Record<string, unknown>;
  assert.equal(health["degraded"], true);
  assert.match(String(health["concern"]), why);
  const walHealth = (await (await fetch(`${url}/api/wal/health?p=t`)).json()) as {
    readonly healthy: boolean;
    readonly issues: readonly string[];
    readonly recommendations: readonly string[];
  };
  assert.equal(walHealth.healthy, false);
  const index = walHealth.issues.findIndex((issue) => why.test(issue));
  assert.ok((walHealth.recommendations[index] ?? "") !== "", walHealth.issues.join("\n"));
  // What the console shows.
  const overview = (await (await fetch(`${url}/api/v1/overview?p=t`)).json()) as {
    readonly status: string;
    readonly workers: readonly { readonly findings: readonly { readonly issue: string }[] }[];
  };
  assert.equal(overview.status, "degraded");
  assert.ok(overview.workers[0]?.findings.some(({ issue }) => why.test(issue)));
}

async function assertAllIsWell(url: string): Promise<void> {
  assert.equal((await fetch(`${url}/ready`)).status, 200);
  const health = (await (await fetch(`${url}/health`)).json()) as Record<string, unknown>;
  assert.deepEqual([health["degraded"], health["concern"]], [false, undefined]);
  const walHealth = (await (await fetch(`${url}/api/wal/health?p=t`)).json()) as object;
  assert.ok("healthy" in walHealth && walHealth.healthy === true, JSON.stringify(walHealth));
}

/** The commands of the banner, as a person would paste them: the one that writes and the one that reads. */
function bannerCommands(stdout: string): readonly string[] {
  const text = stdout.replaceAll("\\\n", " ");
  return text.split("\n").filter((line) => line.startsWith("  curl "));
}

suite("walnut serve", () => {
  test("first run: makes a token, and its commands work when pasted", async (context) => {
    const dataDirectory = join(await temporaryDirectory(), "it's new", "data");
    const first = startServer(context, { dataDirectory });
    await first.readyUrl();
    const token = (await readFile(join(dataDirectory, "token"), "utf8")).trim();
    assert.equal((await stat(join(dataDirectory, "token"))).mode & 0o777, 0o600);
    assert.equal((await stat(dataDirectory)).mode & 0o777, 0o700);
    const printed = `${first.stdout}${first.stderr}`;
    assert.equal(printed.includes(token), false, "output into a pipe may be a log");
    const [write, read] = bannerCommands(first.stdout);
    assert.ok(write !== undefined && read !== undefined);
    assert.match((await run("sh", ["-c", write])).stdout, /^HTTP\/1\.1 204 /);
    const answer = JSON.parse((await run("sh", ["-c", read])).stdout);
    assert.equal(answer.row_count, 1);
    first.kill("SIGKILL");
    await first.ended;

    const second = startServer(context, { dataDirectory });
    await second.readyUrl();
    assert.equal(`${second.stdout}${second.stderr}`.includes(token), false, "later runs do not");
    assert.match(second.stdout, /recovered +1 record, 1 row/);
    assert.match(second.stdout, /token +in \S.*\/data\/token$/m, "they say where it is");
    const [, readAgain] = bannerCommands(second.stdout);
    assert.ok(readAgain !== undefined);
    assert.equal(JSON.parse((await run("sh", ["-c", readAgain])).stdout).row_count, 1);
  });

  test("SIGTERM: answers what is in flight, flushes, exits 0, and leaves nothing to replay", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const variables = { WALNUT_TOKEN: "t" };
    const flags = ["--flush-age-ms", "3600000"];
    const first = startServer(context, { dataDirectory, variables, flags });
    const url = await first.readyUrl();
    let acknowledged = 0;
    let isStopped = false;
    async function keepWriting(connection: number): Promise<void> {
      for (let id = 0; !isStopped; id++) {
        const body = `cpu,connection=${connection} id=${id}i ${1_000_000 + id}\n`;
        const sending = fetch(`${url}/write?db=d&p=t`, { method: "POST", body });
        const response = await sending.catch(() => undefined);
        if (response?.status === 204) acknowledged++;
        else isStopped = true;
      }
    }
    const writing = Promise.all([0, 1, 2].map(keepWriting));
    while (acknowledged < 300) await new Promise(setImmediate);
    first.kill("SIGTERM");
    assert.deepEqual(await first.ended, { code: 0, signal: null }, first.stderr);
    await writing;

    const second = startServer(context, { dataDirectory, variables });
    const secondUrl = await second.readyUrl();
    assert.match(second.stdout, /recovered +nothing to replay/);
    const rows = await queryRows(secondUrl, "t", "SELECT count(*) FROM d.cpu");
    assert.deepEqual(rows, [[acknowledged]]);
  });

  test("a log without room for a while: 503 and a word about it everywhere, then it goes on by itself", async (context) => {
    const dataDirectory = await temporaryDirectory();
    // A file that may not grow is what a full disk looks like; the next segment is another file.
    const first = startServer(context, { ...LOG_ONLY, dataDirectory, maxFileKib: 4_096 });
    const url = await first.readyUrl();
    const acknowledged = await writeUntilRefused(url, 0);
    await assertTroubleIsTold(url, /no room/);
    assert.deepEqual(await queryRows(url, "t", COUNT), [[acknowledged]], "queries go on");
    assert.equal((await writeBatch(url, 9_000_000)).status, 204);
    await assertAllIsWell(url);
    first.kill("SIGKILL");
    await first.ended;
    const second = startServer(context, { ...LOG_ONLY, dataDirectory });
    const rows = await queryRows(await second.readyUrl(), "t", COUNT);
    assert.deepEqual(rows, [[acknowledged + BATCH_ROWS]], "nothing of what was refused");
  });

  test(
    "a disk that is full: 503 until there is room, then it goes on by itself",
    { skip: whyNotMountable("tmpfs") },
    async (context) => {
      const volume = SmallVolume.mount("tmpfs", context, { mib: 64 });
      const dataDirectory = join(volume.path, "data");
      const flags = [...LOG_ONLY.flags, "--segment-size-bytes=1048576"];
      const first = startServer(context, { ...LOG_ONLY, flags, dataDirectory });
      const url = await first.readyUrl();
      assert.equal((await writeBatch(url, 0)).status, 204);
      volume.fill();
      let acknowledged = BATCH_ROWS + (await writeUntilRefused(url, BATCH_ROWS));
      await assertTroubleIsTold(url, /no room/);
      assert.deepEqual(await queryRows(url, "t", COUNT), [[acknowledged]], "queries go on");
      volume.drain();
      assert.equal((await writeBatch(url, acknowledged)).status, 204);
      acknowledged += BATCH_ROWS;
      assert.equal((await fetch(`${url}/ready`)).status, 200);
      first.kill("SIGTERM");
      assert.deepEqual(await first.ended, { code: 0, signal: null }, first.stderr);
      const second = startServer(context, { ...LOG_ONLY, flags, dataDirectory });
      assert.deepEqual(await queryRows(await second.readyUrl(), "t", COUNT), [[acknowledged]]);
      second.kill("SIGKILL");
      await second.ended;
    },
  );

  test("a log that has failed: 503 until a restart, queries go on, and the restart has all that was answered", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const flags = [...LOG_ONLY.flags, "--segment-size-bytes=1048576"];
    const first = startServer(context, { ...LOG_ONLY, flags, dataDirectory });
    const url = await first.readyUrl();
    assert.equal((await writeBatch(url, 0)).status, 204);
    // The next segment has no directory to be in.
    const log = join(dataDirectory, "wal");
    await rename(log, `${log}-away`);
    const acknowledged = BATCH_ROWS + (await writeUntilRefused(url, BATCH_ROWS));
    await assertTroubleIsTold(url, /refuses writes/);
    assert.equal((await writeBatch(url, 0)).status, 503, "until a restart");
    assert.equal((await fetch(`${url}/ready`)).status, 503);
    assert.deepEqual(await queryRows(url, "t", COUNT), [[acknowledged]]);
    first.kill("SIGKILL");
    await first.ended;
    await rename(`${log}-away`, log);
    const second = startServer(context, { ...LOG_ONLY, flags, dataDirectory });
    const [[found] = []] = await queryRows(await second.readyUrl(), "t", COUNT);
    // The refused requests are there as a whole or not at all: recovery has decided.
    assert.ok(
      found === acknowledged || found === acknowledged + BATCH_ROWS,
      `${String(found)} rows`,
    );
  });

  test("a taken port: one sentence with code and advice, exit code 1", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", () => resolve()));
    context.after(() => blocker.close());
    const address = blocker.address();
    assert.ok(typeof address === "object" && address !== null);
    const flags = ["--port", String(address.port)];
    const server = startServer(context, { dataDirectory, flags });
    assert.deepEqual(await server.ended, { code: 1, signal: null });
    assert.match(server.stderr, /SERVER_LISTEN_FAILED/);
    assert.match(server.stderr, /--port/);
  });

  test("a directory in use: one sentence with code and advice, exit code 1", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const owner = startServer(context, { dataDirectory });
    const url = await owner.readyUrl();
    const second = startServer(context, { dataDirectory });
    assert.deepEqual(await second.ended, { code: 1, signal: null });
    assert.match(second.stderr, /WAL_LOCKED/);
    assert.match(second.stderr, /another directory/);
    assert.equal((await fetch(`${url}/ready`)).status, 200, "the owner goes on");
  });

  test("bad configuration: exit code 2", async (context) => {
    const dataDirectory = await temporaryDirectory();
    await writeFile(join(dataDirectory, "file"), "");
    const cases = [
      { dataDirectory, flags: ["--flush-rows", "0"] },
      { dataDirectory, flags: ["--flush-rows", "many"] },
      { dataDirectory, flags: ["--no-such-flag"] },
      { dataDirectory, variables: { WALNUT_DURABILITY: "sometimes" } },
      { dataDirectory: join(dataDirectory, "file") },
    ];
    const ends = await Promise.all(cases.map((options) => startServer(context, options).ended));
    assert.deepEqual(
      ends.map((end) => end.code),
      cases.map(() => 2),
    );
  });
});
