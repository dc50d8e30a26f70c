import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage } from "@walnut/testkit";
import { isWalError, type CodecName, type Wal } from "@walnut/wal";
import {
  appendNumbered,
  bytesText,
  LOG_DIRECTORY,
  Machine,
  numbered,
  readTexts,
  segmentPath,
  settle,
  textBytes,
} from "../machine.ts";

/** Collects what a tail delivers, as `lsn:text`. */
function follow(
  wal: Wal,
  from?: number,
): { readonly texts: string[]; readonly ended: Promise<void> } {
  const texts: string[] = [];
  const run = async (): Promise<void> => {
    for await (const { lsn, payload } of wal.tail({ from }))
      texts.push(`${lsn}:${bytesText(payload)}`);
  };
  return { texts, ended: run() };
}

suite("truncateFront beside a release", () => {
  test("never makes the log begin earlier again", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 4);
    await wal.rotate();
    await appendNumbered(wal, 2);
    await Promise.all([wal.cursor("reader").ack(4), wal.truncateFront(3)]);
    assert.equal(wal.positions.firstLsn, 5);
    assert.deepEqual(await readTexts(wal), numbered(5, 6));
    await wal.close();
    const again = await machine.open({ recovery: "strict" });
    assert.equal(again.positions.firstLsn, 5);
    assert.deepEqual(await readTexts(again), numbered(5, 6));
    await again.close();
  });
});

suite("truncateBack", () => {
  for (const codec of ["none", "deflate", "snappy", "lz4", "zstd"] as const satisfies CodecName[]) {
    test(`cuts in the middle of a frame, codec ${codec}`, async () => {
      for (const lastLsn of [3, 4, 5, 8]) {
        const machine = new Machine();
        const wal = await machine.open({ codec });
        await appendNumbered(wal, 3);
        // Five records of one frame that shrinks when it is compressed.
        await wal.appendBatch(["r4", "r5", "r6", "r7", "r8"].map(textBytes));
        await wal.append(new Uint8Array(500));
        await wal.truncateBack(lastLsn);
        assert.equal(wal.positions.durableLsn, lastLsn);
        await appendNumbered(wal, 2);
        assert.deepEqual(await readTexts(wal), numbered(1, lastLsn + 2));
        await wal.close();
        const again = await new Machine({ disk: machine.disk, seed: 2 }).open({
          recovery: "strict",
        });
        assert.deepEqual(await readTexts(again), numbered(1, lastLsn + 2));
        await again.close();
      }
    });
  }

  test("cuts in the middle of a batch that spans frames", async () => {
    const wal = await new Machine().open();
    const payloads = Array.from({ length: 10 }, (_, index) =>
      textBytes(`r${index + 1}`.padEnd(900)),
    );
    await wal.appendBatch(payloads);
    await wal.truncateBack(7);
    const texts = await readTexts(wal);
    assert.deepEqual(
      texts.map((text) => text.trimEnd()),
      numbered(1, 7),
    );
    await wal.close();
  });

  test("to before the first record leaves an empty log that goes on with the same LSN", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 5);
    await wal.truncateFront(4);
    await wal.truncateBack(3);
    assert.deepEqual(await readTexts(wal), []);
    await wal.close();
    const again = await new Machine({ disk: machine.disk, seed: 2 }).open();
    assert.equal(again.positions.firstLsn, 4);
    assert.equal(await again.append(textBytes("r4")), 4);
    assert.deepEqual(await readTexts(again), numbered(4, 4));
    await again.close();
  });

  test("to the last LSN changes nothing", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 5);
    const before = machine.fileNames;
    await wal.truncateBack(5);
    assert.deepEqual(machine.fileNames, before);
    await wal.close();
  });

  test("removes the files of segments that are dropped as a whole", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let round = 0; round < 4; round++) {
      await appendNumbered(wal, 2);
      await wal.rotate();
    }
    await wal.truncateBack(3);
    const segments = machine.fileNames.filter((name) => name.endsWith(".wal"));
    assert.deepEqual(
      segments.map((name) => `${LOG_DIRECTORY}/${name}`),
      [segmentPath(1), segmentPath(2), segmentPath(6)],
    );
    await wal.close();
  });

  test("moves cursors that stand behind the cut back to it, durably", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 9);
    await wal.cursor("behind").ack(8);
    await wal.cursor("before").ack(2);
    await wal.truncateBack(5);
    const again = await machine.afterPowerLoss().open();
    assert.deepEqual([again.cursor("behind").lsn, again.cursor("before").lsn], [5, 2]);
    await again.close();
  });

  test("lets a tail go on with what is appended in the place of what was dropped", async () => {
    const wal = await new Machine().open();
    for (let count = 0; count < 10; count++) await appendNumbered(wal, 1);
    const tail = wal.tail({ from: 4 });
    assert.equal((await tail.next()).value?.lsn, 4);
    await wal.truncateBack(6);
    await wal.append(textBytes("new"));
    const texts: string[] = [];
    for (let count = 0; count < 3; count++) {
      const { value } = await tail.next();
      texts.push(`${value?.lsn}:${bytesText(value?.payload ?? new Uint8Array())}`);
    }
    assert.deepEqual(texts, ["5:r5", "6:r6", "7:new"]);
    await tail.return();
    await wal.close();
  });

  test("lets a tail that stands behind the cut wait until the log gets there again", async () => {
    const wal = await new Machine().open();
    for (let count = 0; count < 5; count++) await appendNumbered(wal, 1);
    const { texts, ended } = follow(wal, 5);
    await settle();
    assert.deepEqual(texts, ["5:r5"]);
    await wal.truncateBack(3);
    await wal.append(textBytes("four"));
    await wal.append(textBytes("five"));
    await settle();
    assert.deepEqual(texts, ["5:r5"]);
    await wal.append(textBytes("six"));
    await settle();
    assert.deepEqual(texts, ["5:r5", "6:six"]);
    await wal.close();
    await ended;
  });

  test("ends a read at the cut that was under way in a segment that is dropped", async () => {
    const wal = await new Machine().open();
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < 4; count++) await appendNumbered(wal, 1);
      await wal.rotate();
    }
    const read = wal.read({ from: 6 });
    assert.equal((await read.next()).value?.lsn, 6);
    await wal.truncateBack(2);
    assert.equal((await read.next()).done, true);
    await wal.close();
  });

  test("with a failing disk poisons the log, and what was acknowledged before is there", async () => {
    for (let nth = 1; nth <= 6; nth++) {
      const machine = new Machine();
      const first = await machine.open();
      await appendNumbered(first, 6);
      await first.close();
      const broken = new Machine({
        disk: machine.disk,
        wrapStorage: (disk) =>
          new FaultyStorage(disk, [{ kind: "syncAll", path: /prewrite|wal$/, nth, code: "EIO" }]),
      });
      const wal = await broken.open();
      const outcome = await wal.truncateBack(3).then(
        () => "done",
        (error: unknown) => (isWalError(error, "WAL_IO") ? "failed" : String(error)),
      );
      await wal.close().catch(() => undefined);
      const again = await broken.afterPowerLoss().open();
      const texts = await readTexts(again);
      if (outcome === "done") assert.deepEqual(texts, numbered(1, 3));
      else assert.ok([3, 6].includes(texts.length), `${outcome}: ${texts.length} records`);
      assert.deepEqual(texts, numbered(1, texts.length));
      await again.close();
    }
  });
});

suite("truncateBack with something in its way", () => {
  test("is refused when a release has passed it meanwhile, and the log goes on", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 4);
    await wal.rotate();
    await appendNumbered(wal, 4);
    const front = wal.truncateFront(7);
    const back = assert.rejects(wal.truncateBack(3), (error) =>
      isWalError(error, "WAL_LSN_TRUNCATED"),
    );
    const behind = assert.rejects(wal.append(textBytes("r4")), (error) =>
      isWalError(error, "WAL_LSN_TRUNCATED"),
    );
    await Promise.all([front, back, behind]);
    await appendNumbered(wal, 2);
    assert.deepEqual(await readTexts(wal), numbered(7, 10));
    await wal.close();
    const again = await machine.afterPowerLoss().open({ recovery: "strict" });
    assert.deepEqual(await readTexts(again), numbered(7, 10));
    await again.close();
  });

  test("cuts inside a range that was lost to damage", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 2);
    await appendNumbered(wal, 4);
    await appendNumbered(wal, 2);
    await wal.close();
    const bytes = Uint8Array.from(machine.bytesOf(segmentPath(1)));
    const lost = new TextDecoder("latin1").decode(bytes).indexOf("r4");
    bytes[lost] = 0;
    await machine.replace(segmentPath(1), bytes);

    const salvaged = await machine.open({ recovery: "salvage" });
    await salvaged.truncateBack(4);
    await appendNumbered(salvaged, 2);
    const texts = async (log: Wal): Promise<string[]> => {
      const found: string[] = [];
      const onGap = ({ firstLsn, lastLsn }: { firstLsn: number; lastLsn: number }): void => {
        found.push(`lost ${firstLsn}-${lastLsn}`);
      };
      for await (const { lsn, payload } of log.read({ onGap })) {
        found.push(`${lsn}:${bytesText(payload)}`);
      }
      return found;
    };
    const expected = [...numbered(1, 2), "lost 3-4", ...numbered(5, 6)];
    assert.deepEqual(await texts(salvaged), expected);
    await salvaged.close();
    const again = await machine.afterPowerLoss().open({ recovery: "strict" });
    assert.deepEqual(await texts(again), expected);
    await again.close();
  });

  test("with no room for its new segment drops nothing, and the log goes on", async () => {
    const rules = [{ kind: "createFile", nth: 2, code: "ENOSPC", path: /prewrite$/u }] as const;
    const machine = new Machine({ wrapStorage: (disk) => new FaultyStorage(disk, rules) });
    const wal = await machine.open();
    await appendNumbered(wal, 4);
    await assert.rejects(wal.truncateBack(2), (error) => isWalError(error, "WAL_NO_SPACE"));
    await appendNumbered(wal, 1);
    assert.deepEqual(await readTexts(wal), numbered(1, 5));
    await wal.close();
  });

  test("with no room for the copy of a segment that a backup shares drops nothing", async () => {
    const rules = [{ kind: "write", nth: 1, code: "ENOSPC", path: /\.wal\.tmp$/u }] as const;
    // Where there are links, whoever cuts a segment copies it first.
    const link = (): Promise<void> => Promise.resolve();
    const machine = new Machine({
      wrapStorage: (disk) => Object.assign(new FaultyStorage(disk, rules), { link }),
    });
    const wal = await machine.open();
    await appendNumbered(wal, 4);
    await assert.rejects(wal.truncateBack(2), (error) => isWalError(error, "WAL_NO_SPACE"));
    assert.equal(
      machine.fileNames.some((name) => name.endsWith(".tmp")),
      false,
    );
    await wal.truncateBack(2);
    await appendNumbered(wal, 1);
    assert.deepEqual(await readTexts(wal), numbered(1, 3));
    await wal.close();
  });

  test("as the first write of an opening leaves a cursor at the cut where it is", async () => {
    const machine = new Machine();
    const first = await machine.open();
    await first.appendBatch([textBytes("r1"), textBytes("r2"), textBytes("r3")]);
    await first.cursor("c").ack(2);
    await first.close();
    const wal = await new Machine({ disk: machine.disk, seed: 2 }).open();
    await wal.truncateBack(2);
    assert.equal(wal.cursor("c").lsn, 2);
    await wal.close();
  });
});

suite("truncateFront", () => {
  test("begins the log in the middle of a frame, and keeps that over an opening", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 9);
    await wal.truncateFront(5);
    assert.equal(wal.positions.firstLsn, 5);
    assert.deepEqual(await readTexts(wal), numbered(5, 9));
    const again = await machine.afterPowerLoss().open({ recovery: "strict" });
    assert.equal(again.positions.firstLsn, 5);
    assert.deepEqual(await readTexts(again), numbered(5, 9));
    await assert.rejects(readTexts(again, { from: 4 }), (error) =>
      isWalError(error, "WAL_LSN_TRUNCATED"),
    );
    await again.close();
  });

  test("to behind the last record leaves an empty log that goes on", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 3);
    await wal.truncateFront(4);
    assert.deepEqual(await readTexts(wal), []);
    await wal.close();
    const again = await new Machine({ disk: machine.disk, seed: 2 }).open();
    assert.deepEqual(
      { ...again.positions },
      {
        firstLsn: 4,
        appendedLsn: 3,
        writtenLsn: 3,
        durableLsn: 3,
      },
    );
    await appendNumbered(again, 1);
    assert.deepEqual(await readTexts(again), numbered(4, 4));
    await again.close();
  });

  test("makes what is before the new first record durable, so that the log cannot end before it begins", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    await appendNumbered(wal, 6);
    await wal.truncateFront(7);
    const again = await machine.afterPowerLoss().open();
    assert.deepEqual([again.positions.firstLsn, again.positions.appendedLsn], [7, 6]);
    await again.close();
  });

  test("moves cursors that stand before it up to it, durably", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 9);
    await wal.cursor("far").ack(8);
    await wal.cursor("slow").ack(1);
    await wal.truncateFront(5);
    const again = await machine.afterPowerLoss().open();
    assert.deepEqual([again.cursor("far").lsn, again.cursor("slow").lsn], [8, 4]);
    await again.close();
  });

  test("tells a reader that comes too late, and lets one that is ahead go on", async () => {
    const wal = await new Machine().open();
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < 2; count++) await appendNumbered(wal, 1);
      await wal.rotate();
    }
    const late = wal.read({ from: 1 });
    const ahead = wal.read({ from: 5 });
    assert.equal((await ahead.next()).value?.lsn, 5);
    await wal.truncateFront(5);
    await assert.rejects(late.next(), (error) => isWalError(error, "WAL_LSN_TRUNCATED"));
    assert.equal((await ahead.next()).value?.lsn, 6);
    await ahead.return();
    await wal.close();
  });

  for (const lsn of [0, 5, -1, 1.5, Number.NaN]) {
    test(`refuses ${lsn} as an LSN outside the log of 3 records`, async () => {
      const wal = await new Machine().open();
      await appendNumbered(wal, 3);
      await assert.rejects(wal.truncateFront(lsn), RangeError);
      await assert.rejects(wal.truncateBack(lsn === 0 ? 4 : lsn), RangeError);
      assert.deepEqual(await readTexts(wal), numbered(1, 3));
      await wal.close();
    });
  }
});
