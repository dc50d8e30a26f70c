/** A server that recovers a real log, as clients and supervisors see it: from the first second to ready. */
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { suite, test, type TestContext } from "node:test";
import { openServer } from "../src/server.ts";
import type { WalnutServer } from "../src/walnut-server.ts";
import type { ServerOptions } from "../src/server-options.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const TOKEN = "recovery-token";
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };
const REQUESTS = 60;
const ROWS_PER_REQUEST = 5_000;
const SEGMENT_BYTES = 2 * 1_024 * 1_024;
/** Makes replay wait for flushes, so that it lasts long enough to be looked at. */
const SMALL_MEMORY = { maxMemoryBytes: 4 * 1_024 * 1_024 };

interface ReadyBody {
  readonly status: string;
  readonly progress?: {
    readonly step: string;
    readonly segmentsDone: number;
    readonly segmentsTotal: number;
    readonly bytesDone: number;
    readonly bytesTotal: number;
    readonly records: number;
    readonly rows: number;
    readonly bytesPerSecond: number | null;
    readonly etaSeconds: number | null;
    readonly elapsedSeconds: number;
  };
}

let image: Promise<string> | undefined;

/** A data directory after a crash, one for each test. */
async function crashedDirectory(): Promise<string> {
  image ??= makeImage();
  const crashed = await temporaryDirectory();
  await cp(await image, crashed, { recursive: true });
  return crashed;
}

/** What a crash leaves behind: a copy of the data directory of a server that has flushed nothing. */
async function makeImage(): Promise<string> {
  const living = await temporaryDirectory();
  await using server = await openServer({
    port: 0,
    token: TOKEN,
    dataDirectory: living,
    segmentSizeBytes: SEGMENT_BYTES,
    flushRows: 4_000_000,
    flushAgeMs: 3_600_000,
  });
  await server.ready;
  for (let request = 0; request < REQUESTS; request++) {
    const lines = Array.from({ length: ROWS_PER_REQUEST }, (_, row) => {
      const id = request * ROWS_PER_REQUEST + row;
      return `cpu,host=host-${id % 50} usage=${id / 7},load=${id % 11},id=${id}i ${id}`;
    });
    const answer = await write(server, lines.join("\n"));
    assert.equal(answer.status, 204);
  }
  const crashed = await temporaryDirectory();
  await cp(living, crashed, { recursive: true });
  return crashed;
}

async function restart(
  context: TestContext,
  dataDirectory: string,
  options: ServerOptions = {},
): Promise<WalnutServer> {
  const server = await openServer({
    port: 0,
    token: TOKEN,
    dataDirectory,
    ...SMALL_MEMORY,
    ...options,
  });
  context.after(() => server.close());
  return server;
}

function write(server: WalnutServer, body: string): Promise<Response> {
  const init = { method: "POST", body, headers: AUTHORIZATION };
  return fetch(`${server.url}/write?db=d`, init);
}

async function countRows(server: WalnutServer): Promise<unknown> {
  const body = JSON.stringify({ sql: "SELECT count(*) FROM d.cpu" });
  const init = { method: "POST", body, headers: AUTHORIZATION };
  const answer = await fetch(`${server.url}/api/v1/query`, init);
  return ((await answer.json()) as { data: unknown[][] }).data[0]?.[0];
}

suite("recovery seen from outside", () => {
  test("/ready tells step, segments, bytes, records, rate and time to go until it is done", async (context) => {
    const server = await restart(context, await crashedDirectory());
    const seen: NonNullable<ReadyBody["progress"]>[] = [];
    for (;;) {
      const answer = await fetch(`${server.url}/ready`);
      const body = (await answer.json()) as ReadyBody;
      if (answer.status === 200) break;
      assert.equal(answer.status, 503);
      assert.equal(body.status, "recovering");
      assert.ok(body.progress !== undefined);
      const retryAfter = Number(answer.headers.get("retry-after"));
      assert.ok(retryAfter >= 1 && retryAfter <= 300, String(retryAfter));
      seen.push(body.progress);
    }
    const replay = seen.filter(({ step }) => step === "replay");
    assert.ok(replay.length >= 3, `${replay.length} looks at the replay`);
    for (const [index, now] of replay.entries()) {
      const before = replay[index - 1];
      assert.ok(now.bytesTotal > 3 * SEGMENT_BYTES, String(now.bytesTotal));
      assert.ok(now.segmentsTotal > 3);
      assert.ok(now.bytesDone <= now.bytesTotal && now.segmentsDone <= now.segmentsTotal);
      assert.ok(now.bytesDone >= (before?.bytesDone ?? 0));
      assert.ok(now.elapsedSeconds >= (before?.elapsedSeconds ?? 0));
    }
    const middle = replay.filter(
      ({ bytesDone, bytesTotal }) => bytesDone > 0 && bytesDone < bytesTotal,
    );
    assert.ok(middle.length > 0 && middle.every(({ records, rows }) => records > 0 && rows > 0));
    const estimated = middle.filter(({ etaSeconds }) => etaSeconds !== null);
    assert.ok(estimated.length > 0);
    for (const { bytesPerSecond, etaSeconds, bytesDone, bytesTotal } of estimated) {
      assert.equal(etaSeconds, Math.ceil((bytesTotal - bytesDone) / (bytesPerSecond ?? 0)));
    }
    assert.equal(await countRows(server), REQUESTS * ROWS_PER_REQUEST);
  });

  test("refuses writes meanwhile, says when to come again, and keeps nothing of them", async (context) => {
    const server = await restart(context, await crashedDirectory());
    const answer = await write(server, "cpu,host=early usage=1 1");
    assert.equal(answer.status, 503);
    assert.ok(Number(answer.headers.get("retry-after")) >= 1);
    const { code, details } = (await answer.json()) as { code: string; details: { phase: string } };
    assert.deepEqual([code, details.phase], ["SERVER_NOT_READY", "recovering"]);
    await server.ready;
    assert.equal(await countRows(server), REQUESTS * ROWS_PER_REQUEST);
  });

  test("lets writes wait where that is wanted; each is answered when it is on the device", async (context) => {
    const options: ServerOptions = { writesDuringRecovery: "wait" };
    const server = await restart(context, await crashedDirectory(), options);
    const waiting = Array.from({ length: 20 }, (_, id) =>
      write(server, `cpu,host=early id=${id}i ${id}`),
    );
    const query = await fetch(`${server.url}/query?q=SHOW+DATABASES`, {
      headers: AUTHORIZATION,
    });
    assert.equal(query.status, 503, "queries do not wait");
    assert.equal(
      (await fetch(`${server.url}/ready`)).status,
      503,
      "the writes were sent before that",
    );
    for (const answer of await Promise.all(waiting)) assert.equal(answer.status, 204);
    assert.equal(await countRows(server), REQUESTS * ROWS_PER_REQUEST + 20);
  });

  test("a stop ends the wait", async (context) => {
    const options: ServerOptions = { writesDuringRecovery: "wait" };
    const server = await restart(context, await crashedDirectory(), options);
    const waiting = write(server, "cpu,host=early id=1i 1");
    assert.equal((await fetch(`${server.url}/ready`)).status, 503);
    const closed = server.close();
    assert.equal((await waiting).status, 503);
    await closed;
  });
});
