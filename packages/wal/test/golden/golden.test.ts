/**
 * Every golden log is read, in every mode, on the simulated disk and on the real one, and gives what it always gave.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import { openWal } from "@walnut/wal";
import { Machine } from "../machine.ts";
import { describeLog, diskWith, goldenNames, loadGolden, type GoldenLog } from "./golden-log.ts";

const MODES = ["default", "strict"] as const;

suite("golden logs", () => {
  test("are there", () => {
    assert.ok(goldenNames().length >= 9);
  });

  for (const name of goldenNames()) {
    const golden = loadGolden(name);
    for (const recovery of MODES) {
      test(`${name} is read as it was written, in mode ${recovery}`, async () => {
        const machine = new Machine({ disk: diskWith(golden.files) });
        const wal = await machine.open({ recovery });
        assert.deepEqual(await describeLog(golden.expected.about, wal), golden.expected);
        await wal.close();
      });
    }

    test(`${name} can be continued, closed, opened again and read`, async () => {
      const machine = new Machine({ disk: diskWith(golden.files) });
      const { lastLsn, records } = golden.expected;
      const wal = await machine.open();
      assert.equal(await wal.append(Uint8Array.of(1, 2, 3)), lastLsn + 1);
      await wal.close();
      const again = await new Machine({ disk: machine.disk, seed: 3 }).open({ recovery: "strict" });
      assert.equal(again.recovery.verdict, "T5");
      const { records: found } = await describeLog("", again);
      assert.deepEqual(found, [...records, { lsn: lastLsn + 1, kind: 0, payload: "010203" }]);
      await again.close();
    });

    test(`${name} is read from a real directory`, async () => {
      await withRealDirectory(golden, async (directory) => {
        await using wal = await openWal({ directory, prewriteBytes: 0 });
        assert.deepEqual(await describeLog(golden.expected.about, wal), golden.expected);
      });
    });
  }
});

async function withRealDirectory(
  golden: GoldenLog,
  run: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "walnut-golden-"));
  try {
    for (const [name, bytes] of golden.files) {
      const target = path.join(directory, name);
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(target, bytes);
    }
    await run(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
