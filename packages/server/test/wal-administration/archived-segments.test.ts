import assert from "node:assert/strict";
import { readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import {
  archivedSegments,
  chooseForCleanup,
  removeFiles,
} from "../../src/wal-administration/archived-segments.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = 1_700_000_000_000;

async function directoryOf(ages: Readonly<Record<string, number>>): Promise<string> {
  const directory = await temporaryDirectory();
  for (const [name, hours] of Object.entries(ages)) {
    const path = join(directory, name);
    await writeFile(path, "bytes");
    const modified = new Date(NOW_MS - hours * HOUR_MS);
    await utimes(path, modified, modified);
  }
  return directory;
}

suite("archived segments", () => {
  test("only they are found, whatever else is old", async () => {
    const directory = await directoryOf({
      "000000000001.wal.recovered": 50,
      "000000000002.wal": 50,
      CHECKPOINT: 50,
      "notes.recovered": 50,
    });
    const found = await archivedSegments(directory);
    assert.deepEqual(
      found.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [["000000000001.wal.recovered", 5]],
    );
  });

  test("a directory that is not there has none", async () => {
    assert.deepEqual(await archivedSegments(join(await temporaryDirectory(), "none")), []);
  });

  test("those beyond the age go, at the age they stay", async () => {
    const directory = await directoryOf({
      "000000000001.wal.recovered": 25,
      "000000000002.wal.recovered": 24,
      "000000000003.wal.recovered": 1,
    });
    const found = await archivedSegments(directory);
    const chosen = chooseForCleanup(found, { maxAgeMs: 24 * HOUR_MS, nowMs: NOW_MS });
    assert.deepEqual(
      chosen.map(({ name }) => name),
      ["000000000001.wal.recovered"],
    );
    assert.equal((await removeFiles(directory, chosen)).length, 1);
    assert.deepEqual((await readdir(directory)).toSorted(), [
      "000000000002.wal.recovered",
      "000000000003.wal.recovered",
    ]);
  });

  test("one that is gone already is not counted", async () => {
    const directory = await directoryOf({ "000000000001.wal.recovered": 1 });
    const found = await archivedSegments(directory);
    assert.equal((await removeFiles(directory, found)).length, 1);
    assert.equal((await removeFiles(directory, found)).length, 0);
  });
});
