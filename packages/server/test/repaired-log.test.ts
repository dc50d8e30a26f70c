/** A server on a log that was damaged and repaired: it starts, serves what is left and names what is not. */
import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { repairWal } from "@walnut/wal";
import { openServer } from "../src/server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const TOKEN = "repaired-token";
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };

suite("repaired log", () => {
  test("starts after a repair gave up a record, without its rows", async () => {
    const dataDirectory = await temporaryDirectory();
    await makeDamaged(dataDirectory);
    const log = join(dataDirectory, "wal", "worker-1");

    await assert.rejects(serve(dataDirectory), { code: "WAL_CORRUPT" });
    await repairWal({ directory: log });

    assert.deepEqual(await serve(dataDirectory), [1, 3, 4]);
    assert.deepEqual(await serve(dataDirectory), [1, 3, 4], "again, and from Parquet");
  });
});

/** A crashed server's data of four requests, with one bit of the second one's frame flipped. */
async function makeDamaged(target: string): Promise<void> {
  const living = await temporaryDirectory();
  await using server = await openServer({
    port: 0,
    token: TOKEN,
    dataDirectory: living,
    flushAgeMs: 3_600_000,
  });
  await server.ready;
  for (const value of [1, 2, 3, 4]) {
    const answer = await fetch(`${server.url}/write?db=d`, {
      method: "POST",
      headers: AUTHORIZATION,
      body: `m,k=row-${value} v=${value}i`,
    });
    assert.equal(answer.status, 204);
  }
  await cp(living, target, { recursive: true });
  const segment = join(target, "wal", "worker-1", "000000000001.wal");
  const bytes = await readFile(segment);
  const at = bytes.indexOf("row-2");
  assert.ok(at > 0);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(segment, bytes);
}

/** Starts a server, and stops it cleanly. Resolves to the values that it has. */
async function serve(dataDirectory: string): Promise<readonly unknown[]> {
  await using server = await openServer({ port: 0, token: TOKEN, dataDirectory });
  await server.ready;
  const answer = await fetch(`${server.url}/api/v1/query`, {
    method: "POST",
    headers: AUTHORIZATION,
    body: JSON.stringify({ sql: "SELECT v FROM d.m ORDER BY v" }),
  });
  const { data } = (await answer.json()) as { readonly data: readonly unknown[][] };
  return data.flat();
}
