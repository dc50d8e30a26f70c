/** The log in another place than the data directory: first starts, restarts, moves, and what must be refused. */
import assert from "node:assert/strict";
import { cp, mkdir, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { ServerError, type ServerErrorCode } from "../src/errors.ts";
import { placeLog } from "../src/log-place.ts";
import { openServer } from "../src/server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const TOKEN = "place-token";
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };

interface Places {
  readonly dataDirectory: string;
  readonly walDirectory: string;
}

async function places(): Promise<Places> {
  const root = await temporaryDirectory();
  return { dataDirectory: join(root, "data"), walDirectory: join(root, "fast", "wal") };
}

/** Starts a server that flushes nothing by itself, does something and copies the directories as a crash would. */
async function crashAfterWrite(at: Places, copy: Places): Promise<void> {
  await using server = await openServer({ ...at, port: 0, token: TOKEN, flushAgeMs: 3_600_000 });
  await server.ready;
  const init = { method: "POST", body: "m v=1i 1", headers: AUTHORIZATION };
  assert.equal((await fetch(`${server.url}/write?db=d`, init)).status, 204);
  await cp(at.dataDirectory, copy.dataDirectory, { recursive: true, verbatimSymlinks: true });
  await cp(at.walDirectory, copy.walDirectory, { recursive: true });
  await rm(join(copy.dataDirectory, "wal"));
}

async function countRows(options: {
  dataDirectory: string;
  walDirectory?: string;
}): Promise<unknown> {
  await using server = await openServer({ ...options, port: 0, token: TOKEN });
  await server.ready;
  const body = JSON.stringify({ sql: "SELECT count(*) FROM d.m" });
  const init = { method: "POST", body, headers: AUTHORIZATION };
  const answer = await fetch(`${server.url}/api/v1/query`, init);
  return ((await answer.json()) as { data: unknown[][] }).data[0]?.[0];
}

function failsWith(code: ServerErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ServerError && error.code === code;
}

/** Directories of a data directory whose server has run: a catalog, and a log in a place. */
async function hasRun(dataDirectory: string, log: string | undefined): Promise<void> {
  await mkdir(join(dataDirectory, "catalog", "worker-1"), { recursive: true });
  if (log !== undefined) await mkdir(join(log, "worker-1"), { recursive: true });
}

suite("wal.dir", () => {
  test("has the log there, found again with and without the option, and after a crash", async () => {
    const before = await places();
    const { dataDirectory, walDirectory } = await places();
    await crashAfterWrite(before, { dataDirectory, walDirectory });
    assert.deepEqual(await readdir(before.walDirectory), ["worker-1"]);
    await symlink(walDirectory, join(dataDirectory, "wal"));
    assert.equal(await countRows({ dataDirectory }), 1, "the link is enough");
    assert.equal(await countRows({ dataDirectory, walDirectory }), 1);
  });

  test("follows a log that was moved while the server was stopped, there and back", async () => {
    const before = await places();
    const { dataDirectory, walDirectory } = await places();
    await crashAfterWrite(before, { dataDirectory, walDirectory });
    await rename(walDirectory, join(dataDirectory, "wal"));
    await assert.rejects(
      countRows({ dataDirectory, walDirectory }),
      failsWith("SERVER_INVALID_OPTION"),
    );
    await rename(join(dataDirectory, "wal"), walDirectory);
    assert.equal(await countRows({ dataDirectory, walDirectory }), 1);
    await rm(join(dataDirectory, "wal"));
    await rename(walDirectory, join(dataDirectory, "wal"));
    assert.equal(await countRows({ dataDirectory }), 1);
  });
});

suite("placeLog", () => {
  test("does nothing where nothing is asked for", async () => {
    const { dataDirectory } = await places();
    await mkdir(dataDirectory);
    await placeLog(dataDirectory, undefined);
    await placeLog(dataDirectory, join(dataDirectory, "wal"));
    assert.deepEqual(await readdir(dataDirectory), []);
  });

  test("links to the place, also after a crash between its steps", async () => {
    const { dataDirectory, walDirectory } = await places();
    await mkdir(join(dataDirectory, "wal"), { recursive: true });
    await mkdir(walDirectory, { recursive: true });
    for (const start of ["first", "second"]) {
      await placeLog(dataDirectory, walDirectory);
      assert.equal(await readlink(join(dataDirectory, "wal")), walDirectory, start);
    }
    await rm(walDirectory, { recursive: true });
    await placeLog(dataDirectory, undefined);
    assert.deepEqual(await readdir(walDirectory), [], "no log was made behind the link yet");
  });

  test("refuses another place than the one where the log is", async () => {
    const { dataDirectory, walDirectory } = await places();
    await hasRun(dataDirectory, join(dataDirectory, "wal"));
    await assert.rejects(placeLog(dataDirectory, walDirectory), failsWith("SERVER_INVALID_OPTION"));
    await rename(join(dataDirectory, "wal"), `${dataDirectory}-old`);
    await symlink(`${dataDirectory}-old`, join(dataDirectory, "wal"));
    await assert.rejects(placeLog(dataDirectory, walDirectory), failsWith("SERVER_INVALID_OPTION"));
    await placeLog(dataDirectory, `${dataDirectory}-old`);
  });

  test("takes two names of one directory for one place", async () => {
    const { dataDirectory, walDirectory } = await places();
    await hasRun(dataDirectory, walDirectory);
    await symlink(walDirectory, join(dataDirectory, "wal"));
    await symlink(walDirectory, `${dataDirectory}-alias`);
    await placeLog(dataDirectory, `${dataDirectory}-alias`);
  });

  test("refuses a place that has lost its log: a disk that is not mounted", async () => {
    for (const isNamed of [true, false]) {
      const { dataDirectory, walDirectory } = await places();
      await hasRun(dataDirectory, undefined);
      await mkdir(walDirectory, { recursive: true });
      await symlink(walDirectory, join(dataDirectory, "wal"));
      const start = placeLog(dataDirectory, isNamed ? walDirectory : undefined);
      await assert.rejects(start, failsWith("SERVER_LOG_MISSING"));
      assert.deepEqual(await readdir(walDirectory), []);
    }
  });

  test("refuses a log that was moved away without a word about where to", async () => {
    const { dataDirectory, walDirectory } = await places();
    await hasRun(dataDirectory, walDirectory);
    await assert.rejects(placeLog(dataDirectory, undefined), failsWith("SERVER_LOG_MISSING"));
    await placeLog(dataDirectory, walDirectory);
    await placeLog(dataDirectory, undefined);
  });

  test("refuses the log of another data directory", async () => {
    const { dataDirectory, walDirectory } = await places();
    await mkdir(dataDirectory);
    await mkdir(join(walDirectory, "worker-1"), { recursive: true });
    await assert.rejects(placeLog(dataDirectory, walDirectory), failsWith("SERVER_INVALID_OPTION"));
    assert.deepEqual(await readdir(dataDirectory), []);
  });

  test("refuses a place that cannot be a directory", async () => {
    const { dataDirectory } = await places();
    await mkdir(dataDirectory);
    await assert.rejects(
      placeLog(dataDirectory, "/dev/null/wal"),
      failsWith("SERVER_INVALID_OPTION"),
    );
  });
});
