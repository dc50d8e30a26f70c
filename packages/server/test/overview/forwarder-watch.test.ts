/** The agent beside a server: a real one, and everything else that may listen where it should. */
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { ForwarderOverview, Overview } from "@walnut/console";
import { OVERVIEW_ANSWER } from "../../src/http/overview-schemas.ts";
import { readForwarderStatus } from "../../src/overview/forwarder-status.ts";
import { ForwarderWatch, parseListen } from "../../src/overview/forwarder-watch.ts";
import { openServer } from "../../src/server.ts";
import { ForwardProcess } from "../process/forward-process.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

/** Between two looks: a machine that is busy looking gives an agent no time to answer. */
const PAUSE_MS = 100;
const TOKEN = "agent-hush-token";

/** Something that listens; returns where, and what it was asked. */
async function listener(
  context: TestContext,
  answer: RequestListener,
): Promise<{ readonly listen: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? ""}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { listen: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** With a clock that is moved by hand. */
function watch(
  listen: string,
  token?: string,
): { readonly forwarder: ForwarderWatch; readonly clock: { nowMs: number } } {
  const clock = { nowMs: 0 };
  const forwarder = new ForwarderWatch({ listen, token, monotonicMs: () => clock.nowMs });
  return { forwarder, clock };
}

/** Looks until there is an answer, or a reason why there is none. */
async function lookUntilKnown(forwarder: ForwarderWatch): Promise<ForwarderOverview> {
  for (;;) {
    const seen = await forwarder.look();
    if (seen.kind !== "unknown") return seen;
  }
}

const STATUS = {
  to: "http://up",
  state: "running",
  directory: "/spool",
  survives: "a power loss",
  warnings: [],
  depth: 2,
  dead_letters: 1,
  size_bytes: 10,
  max_total_bytes: 100,
  categories: [
    {
      name: "logging",
      state: "retrying",
      depth: 2,
      depth_bytes: 10,
      oldest_age_ms: 5,
      put_items: 3,
      put_items_per_second: 0.3,
      shipped_items: 1,
      items_per_second: 0.1,
      requests: 4,
      retries: 3,
      refused_items: 0,
      dropped: { oldest_records: 1, newest_records: 2 },
      dead_letters: 1,
      last_failure: "503: a\u001b[31m line\nof another",
      shipped_lsn: 1,
    },
  ],
};

suite("the forwarder beside the server", () => {
  test("a real agent tells what waits, what fails, and what it survives", async (context) => {
    const { listen: to } = await listener(context, (_, response) => response.writeHead(503).end());
    const variables = { WALNUT_FORWARD_LISTEN_TOKEN: TOKEN };
    const agent = await ForwardProcess.start(context, { to: `http://${to}/?token=up`, variables });
    await agent.put("logging", "app m=1\n", { authorization: `Bearer ${TOKEN}` });
    const { forwarder, clock } = watch(agent.listen, TOKEN);
    for (;;) {
      await delay(PAUSE_MS);
      const seen = await forwarder.look();
      clock.nowMs += 1_000;
      // A machine with other work may let an agent miss its second.
      if (seen.kind !== "answered") continue;
      assert.doesNotMatch(JSON.stringify(seen), /hush|token=/);
      const { status } = seen;
      const logging = status.categories.find(({ name }) => name === "logging");
      if (logging?.lastFailure === null) continue;
      assert.deepEqual([status.state, status.depth, logging?.depth], ["running", 1, 1]);
      assert.equal(logging?.putItems, 1);
      assert.ok((logging?.retries ?? 0) > 0);
      assert.match(status.survives, /^[a-z]/);
      assert.ok(status.sizeBytes > 0 && status.sizeBytes < status.maxTotalBytes);
      break;
    }
    const server = await openServer({
      port: 0,
      token: "server-token",
      dataDirectory: await temporaryDirectory(),
      forwardListen: agent.listen,
      forwardListenToken: TOKEN,
    });
    context.after(() => server.close());
    const overview = async (): Promise<Overview> => {
      const headers = { authorization: "Bearer server-token" };
      const answer = await fetch(`${server.url}/api/v1/overview`, { headers });
      const body = await answer.text();
      assert.doesNotMatch(body, /hush|token=/);
      return OVERVIEW_ANSWER.parse(JSON.parse(body));
    };
    while ((await overview()).forwarder?.kind !== "answered") await delay(PAUSE_MS);
    const stranger = await lookUntilKnown(watch(agent.listen, "another").forwarder);
    assert.equal(stranger.kind, "no-answer");
    await agent.kill();
    assert.equal((await lookUntilKnown(watch(agent.listen).forwarder)).kind, "not-running");
  });

  test("is asked at most once a second, by however many who look", async (context) => {
    const { listen, asked } = await listener(context, (_, response) =>
      response.end(JSON.stringify(STATUS)),
    );
    const { forwarder, clock } = watch(listen, TOKEN);
    await Promise.all([1, 2, 3].map(() => lookUntilKnown(forwarder)));
    clock.nowMs = 999;
    await forwarder.look();
    assert.deepEqual(asked, [`/v1/forward/status Bearer ${TOKEN}`]);
    clock.nowMs = 1_000;
    await forwarder.look();
    assert.equal(asked.length, 2);
  });

  test("that hangs holds up nobody: who looks gets what was known", async (context) => {
    let isHanging = false;
    const { listen } = await listener(context, (_, response) => {
      if (!isHanging) response.end(JSON.stringify(STATUS));
    });
    const { forwarder, clock } = watch(listen);
    assert.equal((await lookUntilKnown(forwarder)).kind, "answered");
    isHanging = true;
    clock.nowMs = 2_000;
    assert.equal((await forwarder.look()).kind, "answered");
    clock.nowMs = 2_300;
    assert.equal((await forwarder.look()).kind, "answered");
    let seen = await forwarder.look();
    while (seen.kind === "answered") {
      await delay(PAUSE_MS);
      seen = await forwarder.look();
    }
    assert.equal(seen.kind, "no-answer");
  });

  const strangers: readonly (readonly [string, RequestListener])[] = [
    ["that is no agent", (_, response) => response.end("<html>hello</html>")],
    ["of another version", (_, response) => response.end('{"state":"running"}')],
    ["that never ends", (_, response) => response.end("x".repeat(1_100_000))],
    ["that hangs up", (request) => request.destroy()],
    ["that fails", (_, response) => response.writeHead(500).end()],
  ];
  for (const [what, answer] of strangers) {
    test(`something ${what} is told as such`, async (context) => {
      const { listen } = await listener(context, answer);
      assert.equal((await lookUntilKnown(watch(listen).forwarder)).kind, "no-answer");
    });
  }

  test("something that redirects is not followed, and no token goes there", async (context) => {
    const { listen: elsewhere, asked } = await listener(context, (_, response) => response.end());
    const { listen } = await listener(context, (_, response) =>
      response.writeHead(302, { location: `http://${elsewhere}/` }).end(),
    );
    assert.equal((await lookUntilKnown(watch(listen, TOKEN).forwarder)).kind, "no-answer");
    assert.deepEqual(asked, []);
  });

  test("an agent on every address is asked on the loopback one, one without a port not at all", async (context) => {
    const { listen } = await listener(context, (_, response) =>
      response.end(JSON.stringify(STATUS)),
    );
    const port = listen.split(":")[1];
    assert.equal((await lookUntilKnown(watch(`0.0.0.0:${port}`).forwarder)).kind, "answered");
    assert.equal((await lookUntilKnown(watch("127.0.0.1:0").forwarder)).kind, "no-answer");
  });

  test("texts of others become one line, counts of drops one number", () => {
    const [category] = readForwarderStatus(STATUS)?.categories ?? [];
    assert.equal(category?.lastFailure, "503: a [31m line of another");
    assert.equal(category?.droppedItems, 3);
    assert.equal(readForwarderStatus({ ...STATUS, depth: -1 }), undefined);
    assert.equal(readForwarderStatus(null), undefined);
  });

  test("addresses are HOST:PORT", () => {
    const cases = [
      ["127.0.0.1:9529", { host: "127.0.0.1", port: 9_529 }],
      ["[::1]:1", { host: "::1", port: 1 }],
      ["agent:0", { host: "agent", port: 0 }],
      ["9529", undefined],
      ["http://127.0.0.1:9529", undefined],
      ["127.0.0.1:99999", undefined],
      ["user@127.0.0.1:1/path", undefined],
    ] as const;
    for (const [text, expected] of cases) assert.deepEqual(parseListen(text), expected, text);
  });
});
