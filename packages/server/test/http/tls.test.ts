/** HTTPS on a real port, with certificates made by openssl. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { ServerError } from "../../src/errors.ts";
import { readTlsFiles } from "../../src/http/tls-files.ts";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import type { ServerOptions } from "../../src/server-options.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const DAY_MS = 86_400_000;
const SILENT = { info() {}, warn() {}, error() {} };

interface Pair {
  readonly tlsCert: string;
  readonly tlsKey: string;
}

/** A certificate that signs itself, good for 127.0.0.1 and for 30 days. */
async function makePair(name: string): Promise<Pair> {
  const directory = await temporaryDirectory();
  const pair = { tlsCert: join(directory, "cert.pem"), tlsKey: join(directory, "key.pem") };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", pair.tlsKey, "-out", pair.tlsCert, "-days", "30"];
  const { status, stderr } = spawnSync("openssl", ["req", "-x509", ...key, ...subject, ...files]);
  assert.equal(status, 0, String(stderr));
  return pair;
}

async function start(
  context: TestContext,
  options: ServerOptions,
): Promise<{ readonly server: WalnutServer; readonly lines: string[] }> {
  const lines: string[] = [];
  const add = (line: string): void => void lines.push(line);
  const logger = { info: add, warn: add, error: add };
  const dataDirectory = await temporaryDirectory();
  const server = await openServer({ port: 0, dataDirectory, logger, ...options });
  context.after(() => server.close());
  await server.ready;
  return { server, lines };
}

/** Status of /health, over a connection of its own unless an agent is given. */
function health(
  server: WalnutServer,
  options: { readonly ca: Buffer; readonly agent?: Agent; cert?: Buffer; key?: Buffer },
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}/health`, { agent: false, ...options }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode));
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** Name in the certificate that a new connection is shown. */
function shownName(server: WalnutServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect(server.port, { rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await condition())) {
    assert.ok(performance.now() < endMs, "waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

suite("TLS", () => {
  test("serves https, by name in the URL, and nothing older than TLS 1.2", async (context) => {
    const pair = await makePair("one");
    const { server } = await start(context, pair);
    assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(await health(server, { ca: await readFile(pair.tlsCert) }), 200);
    await assert.rejects(fetch(`http://127.0.0.1:${server.port}/health`));
    const old = { rejectUnauthorized: false, minVersion: "TLSv1", maxVersion: "TLSv1.1" } as const;
    await assert.rejects(
      new Promise((resolve, reject) => {
        connect(server.port, { ...old, ciphers: "DEFAULT@SECLEVEL=0" }, () =>
          resolve(undefined),
        ).on("error", reject);
      }),
    );
  });

  test("takes a new certificate without cutting connections, and keeps the old one while the pair does not match", async (context) => {
    const pair = await makePair("old");
    const next = await makePair("new");
    const { server, lines } = await start(context, pair);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    context.after(() => agent.destroy());
    const kept = { ca: await readFile(pair.tlsCert), agent };
    assert.equal(await health(server, kept), 200);

    await copyFile(next.tlsCert, pair.tlsCert);
    await until(() => Promise.resolve(lines.some((line) => line.includes("stays as it was"))));
    assert.equal(await shownName(server), "old");
    await copyFile(next.tlsKey, pair.tlsKey);
    await until(async () => (await shownName(server)) === "new");
    const [socket] = Object.values(agent.freeSockets).flat();
    assert.equal(await health(server, kept), 200);
    const [after] = Object.values(agent.freeSockets).flat();
    assert.equal(after, socket, "the first connection is still the one in use");
  });

  test("asks clients for a certificate when it has a CA for them", async (context) => {
    const pair = await makePair("server");
    const client = await makePair("client");
    const { server } = await start(context, { ...pair, tlsClientCa: client.tlsCert });
    const ca = await readFile(pair.tlsCert);
    await assert.rejects(health(server, { ca }));
    const [cert, key] = await Promise.all([readFile(client.tlsCert), readFile(client.tlsKey)]);
    assert.equal(await health(server, { ca, cert, key }), 200);
  });

  test("refuses to start with the file and the reason: missing, no PEM, another's key, half a pair", async () => {
    const pair = await makePair("one");
    const other = await makePair("two");
    const text = join(await temporaryDirectory(), "text");
    await writeFile(text, "no certificate");
    const wrongs: readonly [ServerOptions, string][] = [
      [{ ...pair, tlsCert: "/missing/cert.pem" }, "tlsCert"],
      [{ ...pair, tlsKey: "/missing/key.pem" }, "tlsKey"],
      [{ ...pair, tlsCert: text }, "tlsCert"],
      [{ ...pair, tlsKey: text }, "tlsKey"],
      [{ ...pair, tlsClientCa: text }, "tlsClientCa"],
      [{ ...pair, tlsKey: other.tlsKey }, "tlsKey"],
      [{ tlsCert: pair.tlsCert }, "tlsKey"],
      [{ tlsKey: pair.tlsKey }, "tlsCert"],
      [{ tlsClientCa: pair.tlsCert }, "tlsClientCa"],
    ];
    const dataDirectory = await temporaryDirectory();
    for (const [options, option] of wrongs) {
      await assert.rejects(openServer({ port: 0, dataDirectory, ...options }), (error: unknown) => {
        assert.ok(error instanceof ServerError);
        assert.equal(error.code, "SERVER_INVALID_OPTION", error.message);
        assert.equal(error.details["option"], option);
        return true;
      });
    }
  });

  test("warns of a certificate that has expired, will soon, or is not valid yet", async () => {
    const { tlsCert: certificate, tlsKey: key } = await makePair("one");
    const warnedAfter = async (days: number): Promise<number> => {
      const lines: string[] = [];
      const logger = { ...SILENT, warn: (line: string) => void lines.push(line) };
      const paths = { certificate, key, clientCa: undefined };
      await readTlsFiles({ paths, nowMs: () => Date.now() + days * DAY_MS, logger });
      return lines.length;
    };
    assert.deepEqual(await Promise.all([-1, 1, 20, 31].map(warnedAfter)), [1, 0, 1, 1]);
  });
});
