/** `walnut forward status|pause|resume|drain|dead-letters` on an agent that runs in a process of its own, with a token on its port. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, suite, test } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { answerText } from "../src/forward-client.ts";
import { run, type CommandResult } from "./log-fixture.ts";

const LAUNCHER = fileURLToPath(new URL("../dist/launch.cjs", import.meta.url));
const TOKEN = "open-sesame";

/** Takes everything; refuses what says "poison" while it is told to, and answers nothing at all while it is down. */
const upstream = { isRefusing: true, isDown: false, bodies: [] as string[] };
const upstreamServer = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString();
    if (upstream.isDown) return void response.destroy();
    if (upstream.isRefusing && body.includes("poison")) {
      return void response.writeHead(400).end("line 1:\u001b[2J poison\nis not taken");
    }
    upstream.bodies.push(body);
    response.writeHead(204).end();
  });
});

const directory = mkdtempSync(join(tmpdir(), "walnut-forward-"));
let url = "";
let log = "";
let stop = async (): Promise<number | null> => null;

before(async () => {
  await new Promise<void>((resolve) => upstreamServer.listen(0, "127.0.0.1", resolve));
  const { port } = upstreamServer.address() as AddressInfo;
  const words = ["forward", "--listen", "127.0.0.1:0", "--to", `http://127.0.0.1:${port}`];
  const pace = ["--protocol", "category", "--linger-ms", "1", "--retry-max-delay-ms", "20"];
  const place = ["--wal-path", directory, "--categories", "logging,metric"];
  const agent = spawn(process.execPath, [LAUNCHER, ...words, ...pace, ...place], {
    env: { ...process.env, WALNUT_FORWARD_LISTEN_TOKEN: TOKEN },
    stdio: ["ignore", "ignore", "pipe"],
  });
  stop = async () => {
    agent.kill("SIGTERM");
    if (agent.exitCode === null) await once(agent, "exit");
    return agent.exitCode;
  };
  agent.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  while (url === "" && agent.exitCode === null) {
    await Promise.race([once(agent.stderr, "data"), once(agent, "exit")]);
    url = /"url":"(http[^"]+)"/.exec(log)?.[1] ?? "";
  }
  assert.notEqual(url, "", `the agent did not start: ${log}`);
});

after(async () => {
  await stop();
  rmSync(directory, { recursive: true, force: true });
  upstreamServer.close();
  upstreamServer.closeAllConnections();
});

async function forward(...words: readonly string[]): Promise<CommandResult> {
  const variables = {
    WALNUT_FORWARD_LISTEN: new URL(url).host,
    WALNUT_FORWARD_LISTEN_TOKEN: TOKEN,
  };
  return await run(["forward", ...words], { variables });
}

async function shown(...words: readonly string[]): Promise<Record<string, unknown>> {
  const { code, environment } = await forward(...words, "--json");
  assert.equal(code, EXIT_OK, environment.err);
  return environment.json;
}

async function text(...words: readonly string[]): Promise<string> {
  const { code, environment } = await forward(...words);
  assert.deepEqual([code, environment.err], [EXIT_OK, ""]);
  return environment.out;
}

/** Waits until the agent has said so in its log. */
async function logged(words: string): Promise<void> {
  while (!log.includes(words)) await shown("status");
}

async function write(body: string): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const init = { method: "POST", body, headers };
  assert.equal((await fetch(`${url}/v1/write/logging`, init)).status, 204);
}

suite("walnut forward, about an agent that runs", { timeout: 300_000 }, () => {
  test("status shows upstream, directory and what each category is at", async () => {
    await write("line n=1");
    assert.equal((await forward("drain")).code, EXIT_OK);
    const lines = (await text("status")).split("\n");
    assert.match(lines[0] ?? "", /^ {2}upstream +http:\/\/127\.0\.0\.1:\d+, running$/);
    const rows = lines.slice(lines.findIndex((line) => line.startsWith("category")));
    assert.match(
      rows[0] ?? "",
      /^category +state +waiting +bytes +oldest +shipped +\/s +retries +dead$/,
    );
    assert.match(rows[1] ?? "", /^logging +idle +0 +0 bytes +- +1 /);
    // Nobody has written to the other one.
    assert.equal(rows[2], "");
    const { state, depth, categories } = await shown("status");
    assert.deepEqual([state, depth], ["running", 0]);
    assert.deepEqual(
      (categories as readonly { readonly name: string; readonly shipped_items: number }[]).map(
        (each) => [each.name, each.shipped_items],
      ),
      [
        ["logging", 1],
        ["metric", 0],
      ],
    );
  });

  test("pause keeps what is written, resume ships it", async () => {
    assert.equal(await text("pause"), "paused\n");
    await write("line n=2");
    const paused = await shown("status");
    assert.deepEqual([paused["state"], paused["depth"]], ["paused", 1]);
    assert.deepEqual(await shown("resume"), { state: "running" });
    while ((await shown("status"))["depth"] !== 0);
    assert.equal(upstream.bodies.at(-1), "line n=2");
  });

  test("drain says what is left, with exit code 1, and when nothing is", async () => {
    upstream.isDown = true;
    await write("line n=3");
    const left = await forward("drain", "--timeout", "0.1");
    assert.deepEqual([left.code, left.environment.out], [EXIT_FAILURE, "1 item is left\n"]);
    const status = await text("status");
    assert.match(status, /^logging: socket hang up$/m);
    assert.match(status, /^ {2}upstream +http:.*, running; does not take logging$/m);
    await logged("logging waits, and is sent again until it is taken: socket hang up");
    upstream.isDown = false;
    assert.equal(await text("drain"), "everything is shipped\n");
    await logged("logging goes upstream again");
    assert.deepEqual(await shown("drain"), { is_drained: true, left: 0 });
    for (const wrong of ["soon", "-1", "", "3601"]) {
      assert.equal((await forward("drain", `--timeout=${wrong}`)).code, EXIT_USAGE, wrong);
    }
  });

  test("dead letters are listed, shown, sent again and thrown away", async () => {
    assert.equal(await text("dead-letters"), "none\n");
    assert.equal(await text("dead-letters", "redrive"), "none\n");
    for (const body of ["poison 1", "poison 2"]) {
      await write(body);
      await text("drain");
    }
    const { dead_letters: letters } = await shown("dead-letters", "list");
    const [first = "", second = ""] = (letters as readonly { readonly id: number }[]).map(
      ({ id }) => String(id),
    );
    const [heading, row] = (await text("dead-letters")).split("\n");
    assert.match(heading ?? "", /^ *id +refused +category +items +bytes +status +answer$/);
    // What an upstream says moves no cursor.
    assert.match(row ?? "", / logging +1 +8 +400 +line 1: \[2J poison is not taken$/);
    await logged(
      '1 request of logging refused, see \\"walnut forward dead-letters\\": 400: line 1:',
    );
    assert.equal(await text("dead-letters", "show", first), "poison 1");
    const letter = await shown("dead-letters", "show", first);
    assert.deepEqual(
      [letter["id"], letter["status"], letter["body_base64"]],
      [Number(first), 400, Buffer.from("poison 1").toString("base64")],
    );
    const refused = await forward("dead-letters", "redrive", first);
    assert.equal(refused.code, EXIT_FAILURE);
    assert.equal(
      refused.environment.out,
      `${first}: not stored: 400 line 1: [2J poison is not taken\n`,
    );
    assert.equal(await text("dead-letters", "discard", second), `${second}: gone\n`);
    const gone = await forward("dead-letters", "discard", second);
    assert.equal(gone.code, EXIT_USAGE);
    assert.match(gone.environment.err, /SPOOL_NOT_FOUND/);
    assert.equal((await forward("dead-letters", "show", "seven")).code, EXIT_USAGE);
    upstream.isRefusing = false;
    assert.equal(await text("dead-letters", "redrive"), `${first}: stored\n`);
    assert.equal(upstream.bodies.at(-1), "poison 1");
    assert.deepEqual(await shown("dead-letters"), { dead_letters: [] });
  });

  test("says that a token is wanted, and where it goes", async () => {
    for (const variables of [{}, { WALNUT_FORWARD_LISTEN_TOKEN: "open-says-me" }]) {
      const { code, environment } = await run(["forward", "status", "--url", url], { variables });
      assert.equal(code, EXIT_USAGE);
      assert.match(environment.err, /401.*SPOOL_UNAUTHORIZED.*WALNUT_FORWARD_LISTEN_TOKEN/);
      assert.doesNotMatch(environment.err, /says-me/);
    }
  });

  test("says that there is no agent, with exit code 1, or no address of one, with 2", async () => {
    const { port } = upstreamServer.address() as AddressInfo;
    // The upstream is no agent, and answers as it likes.
    upstream.isDown = true;
    const other = await run(["forward", "status", "--url", `http://127.0.0.1:${port}`]);
    assert.equal(other.code, EXIT_FAILURE);
    for (const place of ["here", "ftp://127.0.0.1", "http://"]) {
      assert.equal((await run(["forward", "status", "--url", place])).code, EXIT_USAGE, place);
    }
    assert.equal(await stop(), 0);
    const commands = [["status"], ["pause"], ["resume"], ["drain"], ["dead-letters"]];
    for (const words of [...commands, ["dead-letters", "show", "1"]]) {
      const { code, environment } = await forward(...words, "--json");
      assert.equal(code, EXIT_FAILURE);
      assert.match(environment.err, /^walnut: no agent answers at http:.*ECONNREFUSED/);
      assert.equal(environment.json.error.exitCode, EXIT_FAILURE);
    }
  });
});

test("of what an upstream answers, the sentence is shown", () => {
  const cases = [
    ['{"success":false,"error":"a \\"token\\" is required"}', 'a "token" is required'],
    ['400 {"code":"invalid","message":"line 1:\\nno field"}', "400 line 1: no field"],
    ['401: {"error":"cut after it","message":"cut af', "401: cut after it"],
    ['503: {"error":"cut in', '503: {"error":"cut in'],
    ['{"error":"\\q"}', '{"error":"\\q"}'],
    ["socket hang up", "socket hang up"],
  ] as const;
  for (const [answer, sentence] of cases) assert.equal(answerText(answer), sentence);
});
