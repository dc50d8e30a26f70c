/** The `walnut serve` process as a person or a service manager meets it: first run, stop, refusals. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { temporaryDirectory } from "../temporary-directory.ts";
import { queryRows, ServerProcess, type ServerProcessOptions } from "./server-process.ts";

const run = promisify(execFile);

function startServer(context: TestContext, options: ServerProcessOptions): ServerProcess {
  const server = ServerProcess.start(options);
  context.after(() => server.kill("SIGKILL"));
  return server;
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
    async function write(connection: number): Promise<void> {
      for (let id = 0; !isStopped; id++) {
        const body = `cpu,connection=${connection} id=${id}i ${1_000_000 + id}\n`;
        const sending = fetch(`${url}/write?db=d&p=t`, { method: "POST", body });
        const response = await sending.catch(() => undefined);
        if (response?.status === 204) acknowledged++;
        else isStopped = true;
      }
    }
    const writing = Promise.all([write(0), write(1), write(2)]);
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

  test("a log that cannot be written: 503, queries go on, and a restart has all that was answered", async () => {
    const dataDirectory = await temporaryDirectory();
    const variables = { WALNUT_TOKEN: "t" };
    const flags = ["--flush-age-ms", "3600000"];
    const first = ServerProcess.start({ dataDirectory, variables, flags, maxFileKib: 4_096 });
    const url = await first.readyUrl();
    let acknowledged = 0;
    let refusal: Response | undefined;
    for (let round = 0; refusal === undefined; round++) {
      const lines = Array.from({ length: 1_000 }, (_, row) => `m v=${row} ${round * 1_000 + row}`);
      const response = await fetch(`${url}/write?db=d&p=t`, {
        method: "POST",
        body: lines.join("\n"),
      });
      if (response.status === 204) acknowledged += 1_000;
      else refusal = response;
    }
    assert.equal(refusal.status, 503);
    assert.notEqual(refusal.headers.get("retry-after"), null);
    const { code } = (await refusal.json()) as { code: string };
    assert.equal(code, "SERVER_WAL_UNAVAILABLE");
    const ready = await fetch(`${url}/ready`);
    assert.equal(ready.status, 503);
    assert.equal(((await ready.json()) as { status: string }).status, "degraded");
    const health = await fetch(`${url}/api/wal/health?p=t`);
    assert.equal(((await health.json()) as { healthy: boolean }).healthy, false);
    const sql = "SELECT count(*) FROM d.m";
    assert.deepEqual(await queryRows(url, "t", sql), [[acknowledged]]);
    first.kill("SIGKILL");
    await first.ended;

    const second = ServerProcess.start({ dataDirectory, variables });
    const [[found] = []] = await queryRows(await second.readyUrl(), "t", sql);
    // The refused request is there as a whole or not at all: recovery has decided.
    assert.ok(found === acknowledged || found === acknowledged + 1_000, `${String(found)} rows`);
    second.kill("SIGKILL");
    await second.ended;
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
