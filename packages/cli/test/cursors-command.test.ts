import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { EXIT_LOCKED, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { openLog, run, temporaryDirectory } from "./log-fixture.ts";

async function logWithCursors(context: TestContext): Promise<string> {
  const directory = await temporaryDirectory(context);
  const wal = await openLog(directory, { segments: 3, records: 4 });
  const slow = wal.cursor("slow");
  await wal.cursor("fast").ack(12);
  await slow.ack(1);
  await wal.close();
  return directory;
}

async function cursorsOf(directory: string): Promise<[string, number][]> {
  const { environment } = await run(["cursors", directory, "--json"]);
  return environment.json.logs[0].cursors.map(({ name, ackedLsn }: Record<string, unknown>) => [
    name,
    ackedLsn,
  ]);
}

suite("walnut cursors", () => {
  test("lists cursors, with or without the word list", async (context) => {
    const directory = await logWithCursors(context);
    assert.deepEqual(await cursorsOf(directory), [
      ["fast", 12],
      ["slow", 1],
    ]);
    const { code, environment } = await run(["cursors", "list", directory]);
    assert.equal(code, EXIT_OK);
    assert.match(environment.out, /slow +1 +11 .*holds the space/);
  });

  test("moves a cursor and releases what it alone was holding", async (context) => {
    const directory = await logWithCursors(context);
    const { code, environment } = await run(["cursors", "ack", directory, "slow", "8"]);
    assert.equal(code, EXIT_OK);
    assert.match(environment.out, /2 segments released/);
    assert.deepEqual(await cursorsOf(directory), [
      ["fast", 12],
      ["slow", 8],
    ]);
  });

  test("removes a cursor", async (context) => {
    const directory = await logWithCursors(context);
    assert.equal((await run(["cursors", "rm", directory, "slow"])).code, EXIT_OK);
    assert.deepEqual(await cursorsOf(directory), [["fast", 12]]);
  });

  test("refuses unknown cursors, and places that no cursor can go to", async (context) => {
    const directory = await logWithCursors(context);
    for (const words of [
      ["ack", directory, "nobody", "3"],
      ["ack", directory, "slow", "13"],
      ["ack", directory, "fast", "3"],
      ["ack", directory, "slow", "three"],
      ["rm", directory, "nobody"],
    ]) {
      assert.equal((await run(["cursors", ...words])).code, EXIT_USAGE, words.join(" "));
    }
    assert.deepEqual(await cursorsOf(directory), [
      ["fast", 12],
      ["slow", 1],
    ]);
  });

  test("changes nothing while a writer has the log, and says so with a code of its own", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 1, records: 2 });
    await wal.cursor("reader").ack(1);
    for (const words of [
      ["ack", directory, "reader", "2"],
      ["rm", directory, "reader"],
    ]) {
      const { code, environment } = await run(["cursors", ...words]);
      assert.equal(code, EXIT_LOCKED);
      assert.match(environment.err, new RegExp(`process ${process.pid}`));
    }
    assert.equal(wal.cursor("reader").lsn, 1);
    await wal.close();
  });
});
