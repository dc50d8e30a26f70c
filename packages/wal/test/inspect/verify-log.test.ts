import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isWalError } from "../../src/errors.ts";
import { encodeGapFrame } from "../../src/format/frame.ts";
import { saltSeed } from "../../src/format/checksum.ts";
import { decodeSegmentHeader } from "../../src/format/segment-header.ts";
import type { RecoveryProgress } from "../../src/recovery/recover.ts";
import { verifyLog } from "../../src/inspect/verify-log.ts";
import { appendNumbered, LOG_DIRECTORY, Machine, segmentPath, textBytes } from "../machine.ts";
import { closedLog, flip, frameOffset, read, verify } from "./inspected-log.ts";

suite("verifyLog", () => {
  test("finds nothing wrong with a closed log", async () => {
    const machine = await closedLog(3, 4);
    const report = await verify(machine);
    assert.deepEqual(report.damage, []);
    assert.equal(report.unfinished, undefined);
    assert.deepEqual([report.firstLsn, report.lastLsn, report.records], [1, 12, 12]);
    assert.deepEqual(
      report.segments.map(({ segmentId, firstLsn, lastLsn, records }) => [
        segmentId,
        firstLsn,
        lastLsn,
        records,
      ]),
      [
        [1, 1, 4, 4],
        [2, 5, 8, 4],
        [3, 9, 12, 4],
      ],
    );
  });

  test("finds nothing wrong with a log that is open, and writes nothing", async () => {
    const machine = new Machine();
    const wal = await machine.open({ prewriteBytes: 4096 });
    await appendNumbered(wal, 5);
    const before = machine.disk.snapshot();
    const report = await verify(machine);
    assert.deepEqual(report.damage, []);
    assert.equal(report.lastLsn, 5);
    assert.deepEqual(machine.disk.snapshot(), before);
    await wal.close();
  });

  test("takes a log that holds nothing yet for what it is", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.close();
    machine.disk.plant(`${LOG_DIRECTORY}/LOCK`, textBytes("process 1"));
    const report = await verify(machine);
    assert.deepEqual([report.segments, report.firstLsn, report.lastLsn], [[], 1, 0]);
  });

  test("refuses a directory without a log, and one that is not there", async () => {
    const machine = new Machine();
    await machine.disk.ensureDirectory("/empty");
    for (const directory of ["/empty", "/nowhere"]) {
      await assert.rejects(verifyLog({ directory, storage: machine.disk }), (error) =>
        isWalError(error, "WAL_INVALID_OPTION"),
      );
    }
  });

  test("reports all damaged frames with offsets and LSNs, and goes on behind each", async () => {
    const machine = await closedLog(3, 6);
    await flip(machine, 1, frameOffset(1) + 50);
    await flip(machine, 1, frameOffset(4) + 10);
    await flip(machine, 2, frameOffset(0) + 1);
    const report = await verify(machine);
    assert.deepEqual(
      report.damage.map(({ kind, segmentId, offsetBytes, endOffsetBytes, firstLsn, lastLsn }) => [
        kind,
        segmentId,
        offsetBytes,
        endOffsetBytes,
        firstLsn,
        lastLsn,
      ]),
      [
        ["frames", 1, frameOffset(1), frameOffset(2), 2, 2],
        ["frames", 1, frameOffset(4), frameOffset(5), 5, 5],
        ["frames", 2, frameOffset(0), frameOffset(1), 7, 7],
      ],
    );
    assert.equal(report.records, 15);
    assert.deepEqual((await read(machine)).slice(0, 5), [
      "1:r1",
      "damage 2-2",
      "3:r3",
      "4:r4",
      "damage 5-5",
    ]);
  });

  test("reports damage up to the end of a segment by what the next one says", async () => {
    const machine = await closedLog(2, 3);
    await flip(machine, 1, frameOffset(2) + 50);
    const [damage] = (await verify(machine)).damage;
    assert.deepEqual([damage?.firstLsn, damage?.lastLsn], [3, 3]);
    assert.equal(damage?.endOffsetBytes, frameOffset(3));
    assert.match(damage?.vouchedBy ?? "", /segment 2/);
  });

  test("reports a file that is shorter than the next segment says", async () => {
    const machine = await closedLog(2, 3);
    const bytes = machine.bytesOf(segmentPath(1)).slice(0, frameOffset(1) + 20);
    await machine.replace(segmentPath(1), bytes);
    const [damage, ...more] = (await verify(machine)).damage;
    assert.deepEqual(more, []);
    assert.deepEqual(
      [damage?.offsetBytes, damage?.endOffsetBytes],
      [frameOffset(1), frameOffset(3)],
    );
    assert.deepEqual([damage?.firstLsn, damage?.lastLsn], [2, 3]);
  });

  test("tells vouched damage in the last segment from an unfinished write", async () => {
    const machine = await closedLog(1, 3);
    await flip(machine, 1, frameOffset(1) + 50);
    const [damage] = (await verify(machine)).damage;
    assert.deepEqual([damage?.kind, damage?.firstLsn, damage?.lastLsn], ["frames", 2, 2]);
    assert.match(damage?.vouchedBy ?? "", /frame at offset/);

    const torn = new Machine();
    const wal = await torn.open();
    await appendNumbered(wal, 2);
    const cut = torn.bytesOf(segmentPath(1)).slice();
    await torn.replace(
      segmentPath(1),
      Uint8Array.from([...cut, ...textBytes("FRM1 half a frame")]),
    );
    const report = await verify(torn);
    assert.deepEqual(report.damage, []);
    assert.equal(report.unfinished?.offsetBytes, cut.byteLength);
    assert.equal(report.unfinished?.firstLsn, 3);
  });

  test("restores a damaged header from a mark and verifies what is behind it", async () => {
    const machine = await closedLog(2, 3);
    await flip(machine, 1, 20);
    const report = await verify(machine);
    assert.deepEqual(
      report.damage.map(({ kind, segmentId, firstLsn }) => [kind, segmentId, firstLsn]),
      [["header", 1, undefined]],
    );
    assert.equal(report.records, 6);
  });

  test("names a segment whose header is lost, and a missing one, with the LSNs that are gone", async () => {
    const machine = await closedLog(5, 2);
    await machine.disk.remove(segmentPath(2));
    await machine.replace(segmentPath(4), new Uint8Array(100));
    const report = await verify(machine);
    assert.deepEqual(
      report.damage.map(({ kind, segmentId, firstLsn, lastLsn }) => [
        kind,
        segmentId,
        firstLsn,
        lastLsn,
      ]),
      [
        ["missing-segment", 2, 3, 4],
        ["header", 4, 7, 8],
      ],
    );
    assert.deepEqual(await read(machine), [
      "1:r1",
      "2:r2",
      "damage 3-4",
      "5:r5",
      "6:r6",
      "damage 7-8",
      "9:r9",
      "10:r10",
    ]);
  });

  test("misses the first segments by the checkpoint, and the last by the seal", async () => {
    const first = await closedLog(3, 2);
    await first.disk.remove(segmentPath(1));
    const [front] = (await verify(first)).damage;
    assert.deepEqual(
      [front?.kind, front?.segmentId, front?.firstLsn, front?.lastLsn],
      ["missing-segment", 1, 1, 2],
    );
    const last = await closedLog(3, 2);
    await last.disk.remove(segmentPath(3));
    const [back] = (await verify(last)).damage;
    assert.deepEqual(
      [back?.kind, back?.segmentId, back?.firstLsn, back?.lastLsn],
      ["missing-successor", 2, 5, undefined],
    );
  });

  test("misses everything when only the checkpoint is left", async () => {
    const machine = await closedLog(1, 2);
    await machine.disk.remove(segmentPath(1));
    const [damage] = (await verify(machine)).damage;
    assert.deepEqual([damage?.kind, damage?.segmentId], ["missing-segment", 1]);
  });

  test("sees swapped files", async () => {
    const machine = await closedLog(3, 2);
    const [one, two] = [machine.bytesOf(segmentPath(1)), machine.bytesOf(segmentPath(2))];
    await machine.replace(segmentPath(1), two.slice());
    await machine.replace(segmentPath(2), one.slice());
    const kinds = (await verify(machine)).damage.map(({ kind, reason }) => [
      kind,
      /renamed or swapped/.test(reason),
    ]);
    assert.deepEqual(kinds, [
      ["header", true],
      ["header", true],
    ]);
  });

  test("reports a damaged checkpoint and damaged cursors", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 3);
    await wal.cursor("reader").ack(1);
    await wal.close();
    for (const path of [`${LOG_DIRECTORY}/CHECKPOINT`, `${LOG_DIRECTORY}/cursors/reader.cursor`]) {
      const bytes = Uint8Array.from(machine.bytesOf(path));
      bytes[9] = (bytes[9] ?? 0) ^ 4;
      await machine.replace(path, bytes);
    }
    const report = await verify(machine);
    assert.deepEqual(
      report.damage.map(({ kind }) => kind),
      ["checkpoint", "cursor"],
    );
    assert.equal(report.records, 3);
  });

  test("reports what a salvage has marked as lost as a gap, not as damage", async () => {
    const machine = await closedLog(1, 4);
    const path = segmentPath(1);
    const bytes = Uint8Array.from(machine.bytesOf(path));
    const header = decodeSegmentHeader(bytes);
    assert.ok(header.kind === "valid");
    const view = new DataView(bytes.buffer);
    const offset = frameOffset(1);
    const gap = encodeGapFrame(
      {
        lengthBytes: frameOffset(3) - offset,
        firstLsn: 2,
        lostRecords: 2,
        resumeChain: view.getUint32(frameOffset(3) + 36, true),
        chain: view.getUint32(offset + 36, true),
        timeMs: 5,
      },
      (saltSeed(header.header.salt) ^ offset) >>> 0,
    );
    bytes.set(gap, offset);
    await machine.replace(path, bytes);
    const report = await verify(machine);
    assert.deepEqual(report.damage, []);
    assert.deepEqual(
      report.gaps.map(({ firstLsn, lastLsn, offsetBytes }) => [firstLsn, lastLsn, offsetBytes]),
      [[2, 3, offset]],
    );
    assert.deepEqual(await read(machine), ["1:r1", "gap 2-3", "4:r4"]);
  });

  test("checks encrypted frames without a key, and what is in them with it", async () => {
    const keys = (): Uint8Array => new Uint8Array(32).fill(7);
    const machine = new Machine();
    const wal = await machine.open({ encryption: { keyId: 1, keys } });
    await appendNumbered(wal, 3);
    await wal.close();
    const without = await verify(machine);
    assert.deepEqual([without.damage, without.encryptedFrames, without.records], [[], 1, 3]);
    await assert.rejects(read(machine), (error) => isWalError(error, "WAL_KEY_MISSING"));
    const encryption = { keyId: 1, keys };
    const options = { directory: LOG_DIRECTORY, storage: machine.disk, encryption };
    assert.equal((await verifyLog(options)).encryptedFrames, 0);
    assert.deepEqual(await read(machine, { encryption }), ["1:r1", "2:r2", "3:r3"]);
  });

  test("tells how far it has come", async () => {
    const machine = await closedLog(3, 2);
    const steps: RecoveryProgress[] = [];
    await verifyLog({
      directory: LOG_DIRECTORY,
      storage: machine.disk,
      onProgress: (step) => steps.push(step),
    });
    assert.ok(steps.length >= 2);
    for (const step of steps) assert.ok(step.bytesDone <= step.bytesTotal);
    assert.deepEqual(
      steps.map(({ segmentsDone }) => segmentsDone),
      steps.map((_, index) => index + 1),
    );
  });

  test("agrees with strict recovery on every flipped bit, cut and missing file", async () => {
    const original = await closedLog(2, 3);
    // The last group of the second segment has nothing that vouches for it.
    const wal = await original.open({ attestDelayMs: 0 });
    await appendNumbered(wal, 1);
    await appendNumbered(wal, 1);
    const image = original.disk.snapshot();
    const restored = (): Machine => {
      const machine = new Machine();
      for (const [path, bytes] of image) {
        if (bytes !== undefined) machine.disk.plant(path, Uint8Array.from(bytes));
      }
      return machine;
    };
    const disagreements: string[] = [];
    const seen = { damaged: 0, whole: 0 };
    const compare = async (what: string, machine: Machine): Promise<void> => {
      const { damage } = await verify(machine);
      const isRefused = await machine.open({ recovery: "strict" }).then(
        async (opened) => {
          await opened.close();
          return false;
        },
        (error: unknown) => isWalError(error, "WAL_CORRUPT"),
      );
      seen[isRefused ? "damaged" : "whole"]++;
      if (isRefused !== damage.length > 0) disagreements.push(`${what}: recovery ${isRefused}`);
    };
    for (const [path, bytes] of image) {
      if (bytes === undefined || !/\.wal$|CHECKPOINT$/.test(path)) continue;
      for (let offset = 0; offset < bytes.byteLength; offset += 3) {
        const machine = restored();
        const changed = Uint8Array.from(bytes);
        changed[offset] = (changed[offset] ?? 0) ^ (1 << (offset % 8));
        await machine.replace(path, changed);
        await compare(`${path} flipped at ${offset}`, machine);
        if (offset % 9 !== 0) continue;
        const shorter = restored();
        await shorter.replace(path, bytes.slice(0, offset));
        await compare(`${path} cut at ${offset}`, shorter);
      }
      const without = restored();
      await without.disk.remove(path);
      await compare(`${path} removed`, without);
    }
    assert.deepEqual(disagreements, []);
    assert.ok(seen.damaged > 100 && seen.whole > 20, JSON.stringify(seen));
    await wal.close();
  });

  test("finds every flipped bit of a segment with a successor", async () => {
    const machine = await closedLog(2, 3);
    const original = machine.bytesOf(segmentPath(1)).slice();
    for (let offset = 0; offset < frameOffset(3); offset++) {
      await flip(machine, 1, offset);
      const report = await verify(machine);
      assert.ok(report.damage.length > 0, `offset ${offset}`);
      await machine.replace(segmentPath(1), original.slice());
    }
  });
});
