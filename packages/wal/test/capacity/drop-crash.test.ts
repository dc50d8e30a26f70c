/** A crash before every event around a drop: what is there is whole, nothing else is missing, and cursors stand where it begins. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { combineSeeds, type SimulatedDisk } from "@walnut/testkit";
import { openWalWith, type WalOptions } from "@walnut/wal";
import { bytesText, Machine, QUIET_OPTIONS, textBytes } from "../machine.ts";
import { crashEverywhere } from "@walnut/testkit";

const OPTIONS: WalOptions = {
  ...QUIET_OPTIONS,
  maxLogBytes: 3 * 8 * 1024,
  whenFull: "drop-oldest",
};
const RECORDS = 14;
const RECORD_BYTES = 3000;

function record(number: number): Uint8Array {
  return textBytes(`r${number} `.padEnd(RECORD_BYTES, "."));
}

/** What is known from outside at a moment. */
interface Known {
  acked: number;
  cursorAcked: number;
  droppedLsn: number;
}

async function judge(disk: SimulatedDisk, known: Known, options: WalOptions): Promise<void> {
  const machine = new Machine({ disk, seed: 5 });
  const wal = await machine.open(options);
  const { firstLsn, appendedLsn } = wal.positions;
  assert.ok(appendedLsn >= known.acked, `LSN ${known.acked} was acknowledged, last ${appendedLsn}`);
  let next = firstLsn;
  for await (const { lsn, payload } of wal.read()) {
    assert.equal(lsn, next++);
    assert.equal(bytesText(payload).split(" ")[0], `r${lsn}`);
  }
  assert.equal(next, appendedLsn + 1);
  const cursors = new Map(wal.status().cursors.map(({ name, lsn }) => [name, lsn]));
  // A record goes only after every cursor that held it has moved up, durably.
  for (const lsn of cursors.values())
    assert.ok(lsn >= firstLsn - 1, `cursor ${lsn}, first ${firstLsn}`);
  if (known.droppedLsn > 0) assert.ok(firstLsn > known.droppedLsn, "what was dropped is back");
  assert.ok((cursors.get("quick") ?? known.cursorAcked) >= known.cursorAcked);
  assert.equal(await wal.append(record(appendedLsn + 1)), appendedLsn + 1);
  await wal.close();
  const again = await machine.open({ ...options, recovery: "strict" });
  assert.equal(again.positions.appendedLsn, appendedLsn + 1);
  await again.close();
}

async function explore(
  seed: number,
  options: WalOptions,
  judgeMore?: (disk: SimulatedDisk) => void,
): Promise<number> {
  const known: Known = { acked: 0, cursorAcked: 0, droppedLsn: 0 };
  return await crashEverywhere({
    seed,
    stamp: () => JSON.stringify(known),
    judge: async (disk) => {
      judgeMore?.(disk);
      await judge(disk, known, options);
    },
    run: async (environment) => {
      const wal = await openWalWith(environment, options);
      wal.cursor("slow");
      const quick = wal.cursor("quick");
      for (let number = 1; number <= RECORDS; number++) {
        known.acked = await wal.append(record(number));
        known.droppedLsn = wal.status().dropped?.oldestRanges.at(-1)?.lastLsn ?? 0;
        if (number % 3 !== 0) continue;
        await quick.ack(number);
        known.cursorAcked = number;
      }
      assert.ok(known.droppedLsn > 4);
      await wal.close();
    },
  });
}

suite("a crash around a drop", () => {
  test("leaves the newest, whole", async () => {
    assert.ok((await explore(combineSeeds("drop"), OPTIONS)) > 300);
  });

  test("leaves every dropped segment in the log or in the archive", async () => {
    const archiveDirectory = "/archive";
    const options: WalOptions = { ...OPTIONS, released: "archive", archiveDirectory };
    let most = 0;
    await explore(combineSeeds("drop", "archive"), options, (disk) => {
      const ids = new Set(
        disk
          .snapshot()
          .map(([path]) => /\/(\d{12})\.wal(\.recovered)?$/.exec(path)?.[1])
          .filter((id) => id !== undefined)
          .map(Number),
      );
      const highest = Math.max(0, ...ids);
      assert.equal(ids.size, highest, `of ${highest} segments ${ids.size} are there`);
      most = Math.max(
        most,
        disk.snapshot().filter(([path]) => path.startsWith(archiveDirectory)).length,
      );
    });
    assert.ok(most >= 2);
  });
});
