/** `walnut export` and `walnut import` with real servers on a loopback port, and a real process that is killed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { openServer, type WalnutServer } from "@walnut/server";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { run, temporaryDirectory } from "./log-fixture.ts";

const LAUNCHER = fileURLToPath(new URL("../dist/launch.cjs", import.meta.url));
const TOKEN = "transfer-test-token";
const VARIABLES = { WALNUT_TOKEN: TOKEN };

async function startServer(context: TestContext): Promise<WalnutServer> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "walnut-transfer-"));
  const server = await openServer({ port: 0, token: TOKEN, dataDirectory });
  // In this order: a server that stops still writes.
  context.after(async () => {
    await server.close();
    await rm(dataDirectory, { recursive: true, force: true });
  });
  await server.ready;
  return server;
}

async function send(server: WalnutServer, path: string, body: string): Promise<string> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await fetch(server.url + path, { method: "POST", headers, body });
  const text = await response.text();
  assert.ok(response.ok, text);
  return text;
}

async function query(server: WalnutServer, sql: string): Promise<unknown[][]> {
  const text = await send(server, "/api/v1/query", JSON.stringify({ sql }));
  return (JSON.parse(text) as { data: unknown[][] }).data;
}

const ROWS = [
  String.raw`c\ p\,u,host=a\ b,rack=\=1 n=1i,u=18446744073709551615u,f=0.1,t="q\"\\ü",b=true 1`,
  String.raw`c\ p\,u,host=b f=-0,n=-9223372036854775808i,u=0u 3600000000000`,
  String.raw`c\ p\,u t="",b=false -1`,
  String.raw`c\ p\,u t="two` + '\nlines\u2028" 2',
  String.raw`c\ p\,u n=9007199254740993i,f=5 9223372036854775806`,
  String.raw`c\ p\,u n=2i -9223286400000000000`,
].join("\n");
const COLUMNS = "time, host, rack, n, u, f, t, b";
const SELECT = `SELECT ${COLUMNS} FROM db."c p,u" ORDER BY time`;

/** Runs a command that must succeed. */
async function ok(...words: readonly string[]): Promise<string> {
  const { code, environment } = await run(words, { variables: VARIABLES });
  assert.equal(code, EXIT_OK, environment.err);
  return environment.out;
}

/** Names and types; they come in the order in which a server saw them first. */
async function columns({ url }: WalnutServer): Promise<readonly string[]> {
  const words = ["export", "--url", url, "--db", "db", "--measurement", "c p,u"];
  const [head = ""] = (await ok(...words, "--format", "jsonl")).split("\n");
  const { walnut } = JSON.parse(head) as { walnut: { columns: { name: string; type: string }[] } };
  return walnut.columns.map(({ name, type }) => `${name} ${type}`).toSorted();
}

suite("walnut export and import", () => {
  for (const format of ["lp", "csv", "jsonl", "parquet"]) {
    test(`${format}: what one server exports is the same in another, once`, async (context) => {
      const [server, other] = [await startServer(context), await startServer(context)];
      await send(server, "/api/v2/write?bucket=db", ROWS);
      const file = join(await temporaryDirectory(context), `rows.${format}`);
      const words = ["--url", server.url, "--db", "db", "--measurement", "c p,u"];
      await ok("export", ...words, "--format", format, "-o", file);
      const target = ["import", file, "--url", other.url, "--db", "db", "--json"];
      const first = JSON.parse(await ok(...target)) as { files: object[] };
      assert.deepEqual(first.files, [{ file, format, rows: 6, knownRows: 0, batches: 1 }]);
      const again = JSON.parse(await ok(...target)) as typeof first;
      assert.deepEqual(again.files, [{ file, format, rows: 6, knownRows: 6, batches: 1 }]);
      assert.deepEqual(await query(other, SELECT), await query(server, SELECT));
      assert.deepEqual(await columns(other), await columns(server));
    });
  }

  test("a whole database, measurement after measurement, also through gzip", async (context) => {
    const server = await startServer(context);
    await send(server, "/api/v2/write?bucket=db", `${ROWS}\nmem free=1i 5\nmem,host=x free=2i 6`);
    const directory = await temporaryDirectory(context);
    for (const format of ["lp", "csv", "jsonl"]) {
      const other = await startServer(context);
      const text = await ok("export", "--url", server.url, "--db", "db", "--format", format);
      const file = join(directory, `all.${format}.gz`);
      await writeFile(file, gzipSync(Buffer.from(text, "latin1")));
      const said = await ok("import", file, "--url", other.url, "--db", "db");
      assert.equal(said, `${file}: 8 rows\n`);
      assert.deepEqual(await query(other, SELECT), await query(server, SELECT), format);
      const mem = "SELECT time, host, free FROM db.mem ORDER BY time";
      assert.deepEqual(await query(other, mem), await query(server, mem));
    }
  });

  test("killed in the middle and run again: every row once", async (context) => {
    const server = await startServer(context);
    const total = 300_000;
    const file = join(await temporaryDirectory(context), "many.lp");
    const lines = Array.from({ length: total }, (_, id) => `m,p=p${id % 7} id=${id}i ${id}`);
    await writeFile(file, lines.join("\n"));
    const words = ["import", file, "--url", server.url, "--db", "db"];
    const child = spawn(process.execPath, [LAUNCHER, ...words], {
      env: { ...process.env, ...VARIABLES },
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    const count = "SELECT count(*), count(DISTINCT id) FROM db.m";
    const stored = async (): Promise<number> =>
      Number((await query(server, count).catch(() => [[0]]))[0]?.[0]);
    while ((await stored()) === 0) assert.equal(child.exitCode, null);
    child.kill("SIGKILL");
    await ended;
    const before = await stored();
    assert.ok(before > 0 && before < total, `${before} rows were stored before the kill`);
    const { files } = JSON.parse(await ok(...words, "--json")) as {
      files: { rows: number; knownRows: number }[];
    };
    assert.equal(files[0]?.rows, total);
    assert.ok((files[0]?.knownRows ?? 0) >= before);
    assert.deepEqual(await query(server, count), [[total, total]]);
  });

  test("a wrong line stops the import at its batch, and says where; mended, it goes on", async (context) => {
    const server = await startServer(context);
    const file = join(await temporaryDirectory(context), "rows.txt");
    const lines = Array.from({ length: 5_010 }, (_, id) => `m id=${id}i ${id}`);
    await writeFile(file, [...lines.slice(0, 5_005), "m id= 1", ...lines.slice(5_006)].join("\n"));
    const words = ["import", file, "--url", server.url, "--db", "db"];
    const { code, environment } = await run(words, { variables: VARIABLES });
    assert.equal(code, EXIT_USAGE);
    assert.match(environment.err, /begins at line 5,001.*SERVER_INVALID_LINE.*5,000 rows before/s);
    await writeFile(file, lines.join("\n"));
    const said = await ok(...words);
    assert.equal(said, `${file}: 5,010 rows, 5,000 of them stored before\n`);
    assert.deepEqual(await query(server, "SELECT count(*), max(id) FROM db.m"), [[5_010, 5_009]]);
  });

  test("refuses what makes no sense; an export that fails leaves no file", async (context) => {
    const server = await startServer(context);
    await send(server, "/api/v2/write?bucket=db", "m n=1i 1");
    const directory = await temporaryDirectory(context);
    const file = join(directory, "plain.csv");
    await writeFile(file, "time,n\n2025-01-01T00:00:00Z,1\n");
    const at = ["--url", server.url, "--db", "db"];
    const output = join(directory, "out");
    for (const words of [
      ["export", ...at, "--json"],
      ["export", ...at, "--format", "parquet", "-o", output],
      ["export", ...at, "--format", "xml"],
      ["export", ...at, "--measurement", "missing", "-o", output],
      ["export", "--url", server.url, "--db", "missing", "-o", output],
      ["export", ...at, "--measurement", "m", "-o", join(directory, "no", "such", "directory")],
      ["export", "--url", server.url],
      ["import", ...at],
      ["import", directory, ...at],
      ["import", join(directory, "missing.lp"), ...at],
      ["import", file, ...at],
      ["import", file, ...at, "--format", "jsonl"],
      ["import", file, ...at, "--format", "parquet"],
    ]) {
      const { code, environment } = await run(words, { variables: VARIABLES });
      assert.equal(code, EXIT_USAGE, `${words.join(" ")}: ${environment.err}`);
      assert.notEqual(environment.err, "");
    }
    const nobody = ["export", "--url", "http://127.0.0.1:1", "--db", "d", "-o", output];
    assert.equal((await run(nobody, { variables: VARIABLES })).code, EXIT_FAILURE);
    assert.deepEqual(await readdir(directory), ["plain.csv"]);
    assert.equal((await run(["export", ...at])).code, EXIT_USAGE, "without a token");
    assert.equal(await readFile(file, "utf8"), "time,n\n2025-01-01T00:00:00Z,1\n");
  });

  test("an answer that is cut is a failure and leaves no file, whatever its headers say", async (context) => {
    const directory = await temporaryDirectory(context);
    for (const connection of ["close", "keep-alive"]) {
      for (const body of [
        "Transfer-Encoding: chunked\r\n\r\n5\r\nm n=1\r\n",
        "Content-Length: 9\r\n\r\nm n=1",
      ]) {
        const cutting = createServer((socket) => {
          socket.once("data", () =>
            socket.end(`HTTP/1.1 200 OK\r\nConnection: ${connection}\r\n${body}`),
          );
        });
        cutting.listen(0, "127.0.0.1");
        await once(cutting, "listening");
        const { port } = cutting.address() as AddressInfo;
        const words = ["export", "--url", `http://127.0.0.1:${port}`, "--db", "d"];
        const { code, environment } = await run(
          [...words, "--measurement", "m", "-o", join(directory, "rows.lp")],
          { variables: VARIABLES },
        );
        assert.equal(code, EXIT_FAILURE, `${connection} ${body}`);
        assert.match(environment.err, /a part only/);
        assert.deepEqual(await readdir(directory), []);
        cutting.close();
      }
    }
  });
});
