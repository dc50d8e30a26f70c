/** A forwarder and an upstream that fails in every way: nothing is lost, order is kept, one bad item does not hold up the rest. */
import assert from "node:assert/strict";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { suite, test, type TestContext } from "node:test";
import { isSpoolError, openForwarder, type Forwarder, type ForwarderOptions } from "@walnut/spool";
import { temporaryDirectory } from "../temporary-directory.ts";
import { PlainUpstream, until, type Misbehaviour } from "./plain-upstream.ts";

const DRAIN_MS = 120_000;

async function open(
  context: TestContext,
  to: string,
  options: Partial<ForwarderOptions> & { readonly directory?: string } = {},
): Promise<Forwarder> {
  const { directory = temporaryDirectory(context), ...rest } = options;
  const forwarder = await openForwarder({
    spool: { directory, categories: ["logging", "keyevent"], segmentSizeBytes: 64 * 1024 },
    to,
    protocol: "category",
    lingerMs: 5,
    retryFirstDelayMs: 5,
    retryMaxDelayMs: 40,
    requestTimeoutMs: 2_000,
    ...rest,
  });
  context.after(() => forwarder.close());
  return forwarder;
}

async function putLines(
  forwarder: Forwarder,
  category: string,
  lines: readonly string[],
): Promise<void> {
  await Promise.all(lines.map((line) => forwarder.put(category, Buffer.from(line))));
}

function numbered(count: number, from = 1): readonly string[] {
  return Array.from({ length: count }, (_, index) => `line n=${from + index}`);
}

suite("a forwarder", { timeout: 300_000 }, () => {
  test("ships what is put, in order, each category to its address", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const forwarder = await open(context, `${upstream.url}/base/?token=t`);
    await putLines(forwarder, "logging", numbered(500));
    await putLines(forwarder, "keyevent", ["event n=1"]);
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    const paths = new Set(upstream.requests.map(({ path }) => path));
    assert.deepEqual([...paths].toSorted(), [
      "/base/v1/write/keyevent?token=t",
      "/base/v1/write/logging?token=t",
    ]);
    const stored = upstream.stored.filter(({ path }) => path.includes("logging"));
    assert.deepEqual(
      stored.flatMap(({ lines }) => lines),
      numbered(500),
    );
    assert.ok(stored.some(({ encoding }) => encoding === "gzip"));
    assert.equal(new Set(stored.map(({ key }) => key)).size, stored.length);
  });

  test("sends bodies as zstd to who takes it, and as they are to who does not", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const forwarder = await open(context, upstream.url, { encoding: "zstd" });
    forwarder.pause();
    await putLines(forwarder, "logging", numbered(300));
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    assert.deepEqual(upstream.lines("logging"), numbered(300));
    assert.ok(upstream.stored.some(({ encoding }) => encoding === "zstd"));
    upstream.misbehave = ({ encoding }, response) => {
      if (encoding === undefined) return false;
      response.writeHead(415).end("send it as it is");
      return true;
    };
    for (const from of [301, 601]) {
      forwarder.pause();
      await putLines(forwarder, "logging", numbered(300, from));
      assert.equal(await forwarder.drain(DRAIN_MS), 0);
    }
    assert.deepEqual(upstream.lines("logging"), numbered(900));
    assert.deepEqual(forwarder.deadLetters(), []);
    // Told once is enough.
    const refused = upstream.requests.filter((request) => !upstream.stored.includes(request));
    assert.ok(refused.length <= 2, `${refused.length} refused`);
  });

  test("makes full requests of what waits, in a drain too", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const forwarder = await open(context, upstream.url);
    forwarder.pause();
    await putLines(forwarder, "logging", numbered(500));
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    // What was put before the pause had an effect may have gone alone.
    assert.ok(upstream.stored.length <= 3, `${upstream.stored.length} requests`);
  });

  test("cuts requests by bytes and items, and joins only items that are alike", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const forwarder = await open(context, upstream.url, { maxBatchItems: 10, maxBatchBytes: 100 });
    forwarder.pause();
    await putLines(forwarder, "logging", numbered(30));
    const json = { attributes: { type: "application/json" } };
    await forwarder.put("logging", Buffer.from("{}"), json);
    await forwarder.put("logging", Buffer.from("[]"), json);
    await forwarder.put("logging", Buffer.from("x"), { attributes: { query: "precision=s" } });
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    const counts = upstream.stored.map(({ lines }) => lines.length);
    assert.ok(counts.every((count) => count <= 10));
    assert.deepEqual(
      upstream.stored.slice(-3).map(({ lines }) => lines),
      [["{}"], ["[]"], ["x"]],
    );
    assert.equal(upstream.stored.at(-1)?.path, "/v1/write/logging?precision=s");
  });

  const failures: Readonly<Record<string, Misbehaviour>> = {
    "answers 500": (_, response, count) => {
      if (count > 4) return false;
      response.writeHead(500).end("down");
      return true;
    },
    "answers 408, 425, 429 and 503": (_, response, count) => {
      const status = [408, 425, 429, 503][count - 1];
      if (status === undefined) return false;
      response.writeHead(status).end();
      return true;
    },
    "resets before an answer": (_, response, count) => {
      if (count > 4) return false;
      response.destroy();
      return true;
    },
    "resets in the middle of an answer": (_, response, count) => {
      if (count > 4) return false;
      response.writeHead(204, { "content-length": "0" });
      response.destroy();
      return true;
    },
    "sends half a body with 200": (_, response, count) => {
      if (count > 4) return false;
      response.writeHead(200, { "content-length": "100" }).write("half", () => response.destroy());
      return true;
    },
    redirects: (_, response, count) => {
      if (count > 2) return false;
      response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
      return true;
    },
    "speaks no HTTP": (_, response, count) => {
      if (count > 4) return false;
      response.socket?.end("SSH-2.0-OpenSSH_9.9\r\n");
      return true;
    },
    "sends nothing but 103": (_, response, count) => {
      if (count > 3) return false;
      response.writeEarlyHints({ link: "</a>; rel=preload" });
      setTimeout(() => response.destroy(), 20);
      return true;
    },
    "changes the protocol": (_, response, count) => {
      if (count > 3) return false;
      const head =
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n";
      response.socket?.write(head);
      setTimeout(() => response.socket?.destroy(), 20);
      return true;
    },
    "answers 503 and resets": (_, response, count) => {
      if (count > 4) return false;
      response.writeHead(503, { "content-length": "10" }).write("12345");
      response.socket?.resetAndDestroy();
      return true;
    },
    "is slow": async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return false;
    },
  };
  for (const [name, misbehave] of Object.entries(failures)) {
    test(`loses nothing when the upstream ${name}`, async (context) => {
      const upstream = await PlainUpstream.start(context);
      upstream.misbehave = misbehave;
      const forwarder = await open(context, upstream.url, { maxBatchItems: 20 });
      await putLines(forwarder, "logging", numbered(100));
      assert.equal(await forwarder.drain(DRAIN_MS), 0);
      assert.deepEqual(upstream.lines("logging"), numbered(100));
      assert.equal(forwarder.deadLetters().length, 0);
      // The same request again is the same request: key and lines.
      const byKey = new Map<string, string>();
      for (const { key, lines } of upstream.requests) {
        assert.equal(byKey.get(key) ?? lines.join(), lines.join());
        byKey.set(key, lines.join());
      }
    });
  }

  test("gives up an answer that comes in drops, and one that has no end", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const chunk = Buffer.alloc(64 * 1024);
    upstream.misbehave = (_, response, count) => {
      if (count > 2) return false;
      const timer = setInterval(() => response.write(count === 1 ? "." : chunk), 1);
      response.on("close", () => clearInterval(timer)).writeHead(200);
      return true;
    };
    const forwarder = await open(context, upstream.url, { requestTimeoutMs: 100 });
    await putLines(forwarder, "logging", numbered(3));
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    assert.deepEqual(upstream.lines("logging"), numbered(3));
  });

  test("gives up a request that hangs, and sends it again", async (context) => {
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = (_, __, count) => count <= 2;
    const forwarder = await open(context, upstream.url, { requestTimeoutMs: 100 });
    await putLines(forwarder, "logging", numbered(3));
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    assert.deepEqual(upstream.lines("logging"), numbered(3));
  });

  test("waits for an upstream that refuses connections, and speaks no TLS", async (context) => {
    const free = createTcpServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => free.once("listening", resolve));
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const forwarder = await open(context, `http://127.0.0.1:${port}`);
    await putLines(forwarder, "logging", numbered(10));
    await until(async () => (await forwarder.status()).categories[0]?.state === "retrying");
    const upstream = await PlainUpstream.start(context, port);
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    assert.deepEqual(upstream.lines("logging"), numbered(10));
    const secure = await open(context, `https://127.0.0.1:${port}`);
    await putLines(secure, "logging", numbered(1));
    await until(async () => ((await secure.status()).categories[0]?.retries ?? 0) > 2);
    assert.equal(secure.depth, 1);
    assert.equal(upstream.stored.length, 1);
  });

  test("ends the pauses of all when one category finds the upstream back", async (context) => {
    const gone = await PlainUpstream.start(context);
    const { port } = gone;
    gone.stop();
    const hourMs = 3_600_000;
    const forwarder = await open(context, `http://127.0.0.1:${port}`, {
      retryFirstDelayMs: hourMs,
      retryMaxDelayMs: hourMs,
    });
    await putLines(forwarder, "logging", numbered(10));
    await until(async () => (await forwarder.status()).categories[0]?.state === "retrying");
    const upstream = await PlainUpstream.start(context, port);
    await putLines(forwarder, "keyevent", ["event n=1"]);
    await until(() => forwarder.depth === 0);
    assert.deepEqual(upstream.lines("logging"), numbered(10));
  });

  test("waits as long as Retry-After asks", async (context) => {
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = (_, response, count) => {
      if (count > 1) return false;
      response.writeHead(429, { "retry-after": "1" }).end();
      return true;
    };
    const forwarder = await open(context, upstream.url);
    const startedMs = performance.now();
    await putLines(forwarder, "logging", ["line n=1"]);
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    assert.ok(performance.now() - startedMs >= 1_000);
  });

  test("puts a poison item aside, and nothing else", async (context) => {
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = ({ lines }, response) => {
      if (!lines.includes("poison")) return false;
      response.writeHead(400).end("line 1: poison");
      return true;
    };
    const forwarder = await open(context, upstream.url);
    forwarder.pause();
    const lines = [...numbered(37), "poison", ...numbered(40, 38)];
    await putLines(forwarder, "logging", lines);
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    assert.deepEqual(upstream.lines("logging"), numbered(77));
    const [letter, ...others] = forwarder.deadLetters();
    assert.equal(others.length, 0);
    assert.deepEqual([letter?.status, letter?.answer, letter?.items], [400, "line 1: poison", 1]);
    const request = await forwarder.deadLetterRequest(letter?.id ?? 0);
    assert.equal(Buffer.from(request.body).toString(), "poison");
  });

  test("keeps refused requests over a restart, and sends them again when told", async (context) => {
    const directory = temporaryDirectory(context);
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = (_, response) => {
      response.writeHead(403).end("over quota");
      return true;
    };
    const first = await open(context, upstream.url, { directory, maxBatchItems: 2 });
    await putLines(first, "logging", numbered(6));
    assert.equal(await first.drain(DRAIN_MS), 0);
    const letters = first.deadLetters();
    assert.equal(
      letters.reduce((sum, { items }) => sum + items, 0),
      6,
    );
    const ids = letters.map(({ id }) => id);
    const [refused] = await first.redrive(ids.slice(0, 1));
    assert.deepEqual(refused, { id: ids[0], isStored: false, answer: "403 over quota" });
    await first.discard(ids.at(-1) ?? 0);
    await assert.rejects(first.discard(ids.at(-1) ?? 0), (error) =>
      isSpoolError(error, "SPOOL_NOT_FOUND"),
    );
    await first.close();
    upstream.misbehave = () => false;
    const again = await open(context, upstream.url, { directory });
    assert.deepEqual(again.deadLetters(), letters.slice(0, -1));
    const results = await again.redrive(ids.slice(0, -1));
    assert.ok(results.every(({ isStored }) => isStored));
    assert.equal(again.deadLetters().length, 0);
    assert.equal(upstream.lines("logging").length, 6 - (letters.at(-1)?.items ?? 0));
  });

  test("takes no item that could never be sent, or never be kept as a dead letter", async (context) => {
    const forwarder = await open(context, "http://127.0.0.1:1", { maxDeadLetterBytes: 64 * 1024 });
    for (const type of ["a\nb", "日本"]) {
      await assert.rejects(
        forwarder.put("logging", Buffer.from("x"), { attributes: { type } }),
        (error) => isSpoolError(error, "SPOOL_INVALID_REQUEST"),
      );
    }
    await assert.rejects(forwarder.put("logging", Buffer.alloc(40_000)), (error) =>
      isSpoolError(error, "SPOOL_ITEM_TOO_LARGE"),
    );
    assert.equal(forwarder.depth, 0);
  });

  test("does not give up a request for which there is no room among the dead letters", async (context) => {
    const upstream = await PlainUpstream.start(context);
    let isRefusing = true;
    upstream.misbehave = ({ path }, response) => {
      if (!isRefusing || !path.includes("logging")) return false;
      response.writeHead(403).end();
      return true;
    };
    const forwarder = await open(context, upstream.url, {
      maxBatchItems: 1,
      maxDeadLetterBytes: 64 * 1024,
    });
    const line = "x".repeat(10_000);
    await putLines(
      forwarder,
      "logging",
      Array.from({ length: 20 }, () => line),
    );
    await until(async () => (await forwarder.status()).categories[0]?.state === "failed");
    await putLines(forwarder, "keyevent", ["event n=1"]);
    await until(() => upstream.lines("keyevent").length === 1);
    assert.ok(forwarder.depth > 10);
    isRefusing = false;
    await forwarder.redrive(forwarder.deadLetters().map(({ id }) => id));
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
    await forwarder.redrive(forwarder.deadLetters().map(({ id }) => id));
    assert.equal(upstream.lines("logging").length, 20);
  });

  test("keeps the largest item with the longest answer, and the next one when there is room again", async (context) => {
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = (_, response) => {
      // As JSON six times as long, and longer than all letters together may be.
      response.writeHead(403).end("\0".repeat(16 * 1024));
      return true;
    };
    const forwarder = await open(context, upstream.url, { maxDeadLetterBytes: 64 * 1024 });
    const sizes: number[] = [];
    for (const letter of ["a", "b", "c"]) {
      await forwarder.put("logging", Buffer.alloc(forwarder.maxItemBytes, letter));
      await until(() => forwarder.deadLetters().length === 1);
      const [{ id } = { id: 0 }] = forwarder.deadLetters();
      const { body } = await forwarder.deadLetterRequest(id);
      assert.equal(body[0], letter.charCodeAt(0));
      sizes.push(body.byteLength);
      await forwarder.discard(id);
    }
    assert.deepEqual(sizes, Array(3).fill(forwarder.maxItemBytes));
    assert.equal(await forwarder.drain(DRAIN_MS), 0);
  });

  test("holds order, pauses and ages to reason when the clock is set, far back and far forward", async (context) => {
    const directory = temporaryDirectory(context);
    const upstream = await PlainUpstream.start(context);
    const startMs = Date.UTC(2026, 0, 1);
    const centuryMs = Date.UTC(2126, 0, 1) - startMs;
    context.mock.timers.enable({ apis: ["Date"], now: startMs });
    const oldestAgeMs = async (of: Forwarder): Promise<number> =>
      Math.max(...(await of.status()).categories.map((category) => category.oldestAgeMs));
    const first = await open(context, upstream.url, { directory, maxBatchItems: 1 });
    first.pause();
    await putLines(first, "logging", ["line n=1"]);
    context.mock.timers.setTime(startMs + centuryMs);
    assert.equal(await oldestAgeMs(first), centuryMs);
    await putLines(first, "logging", ["line n=2"]);
    context.mock.timers.setTime(0);
    assert.equal(await oldestAgeMs(first), 0);
    await putLines(first, "logging", ["line n=3"]);
    upstream.misbehave = (_, response, count) => {
      if (count > 6) return false;
      context.mock.timers.setTime(count % 2 === 0 ? 0 : startMs + centuryMs);
      response.writeHead(503).end();
      return true;
    };
    first.resume();
    await until(() => upstream.requests.length > 3);
    await first.close();
    context.mock.timers.setTime(1);
    const again = await open(context, upstream.url, { directory, maxBatchItems: 1 });
    await putLines(again, "logging", ["line n=4"]);
    assert.equal(await again.drain(DRAIN_MS), 0);
    assert.deepEqual(upstream.lines("logging"), numbered(4));
    assert.equal(await oldestAgeMs(again), 0);
  });

  test("takes items while it is paused, and ships them when resumed", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const forwarder = await open(context, upstream.url);
    forwarder.pause();
    await putLines(forwarder, "logging", numbered(10));
    assert.equal((await forwarder.status()).state, "paused");
    assert.ok(((await forwarder.status()).categories[0]?.oldestAgeMs ?? -1) >= 0);
    assert.equal(forwarder.depth, 10);
    forwarder.resume();
    await until(() => forwarder.depth === 0);
    assert.deepEqual(upstream.lines("logging"), numbered(10));
  });

  test("sends after a restart the request whose answer was lost, and not another", async (context) => {
    const directory = temporaryDirectory(context);
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = () => true; // Taken, and never answered.
    const first = await open(context, upstream.url, { directory, maxBatchItems: 100 });
    await putLines(first, "logging", numbered(3));
    await until(() => upstream.requests.length > 0);
    await putLines(first, "logging", numbered(50, 4));
    await first.close();
    const [lost] = upstream.requests;
    upstream.misbehave = () => false;
    upstream.requests.length = 0;
    const again = await open(context, upstream.url, { directory, maxBatchItems: 1000 });
    assert.equal(await again.drain(DRAIN_MS), 0);
    assert.deepEqual(upstream.requests[0], lost);
    assert.deepEqual(upstream.lines("logging"), numbered(53));
  });

  for (const [option, value] of [
    ["to", "nowhere"],
    ["protocol", "carrier-pigeon"],
    ["encoding", "rot13"],
    ["workers", 0],
    ["maxDeadLetterBytes", 1],
  ] as const) {
    test(`does not open with ${option} ${value}`, async (context) => {
      const options = { to: "http://127.0.0.1:1", [option]: value };
      await assert.rejects(open(context, options.to, options), (error) =>
        isSpoolError(error, "SPOOL_INVALID_OPTION"),
      );
    });
  }
});
