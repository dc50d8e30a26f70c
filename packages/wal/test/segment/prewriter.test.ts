import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  FaultyStorage,
  SeededRandom,
  SimulatedDisk,
  SteppedScheduler,
  type FaultRule,
} from "@walnut/testkit";
import type { StorageFile } from "@walnut/wal";
import { Prewriter, writeZeros } from "../../src/segment/prewriter.ts";
import { settle } from "../machine.ts";

async function fileOn(disk: SimulatedDisk, rules: readonly FaultRule[] = []): Promise<StorageFile> {
  disk.plant("/s", new Uint8Array(0));
  return await new FaultyStorage(disk, rules).openFile("/s", "write");
}

suite("writeZeros", () => {
  for (const [from, to] of [
    [0, 0],
    [5, 5],
    [0, 1],
    [3, 4096],
    [100, 600_000],
  ] as const) {
    test(`fills ${from} to ${to} and nothing else`, async () => {
      const disk = new SimulatedDisk();
      disk.plant("/s", new Uint8Array(700_000).fill(0xff));
      await writeZeros(await disk.openFile("/s", "write"), from, to);
      const bytes = disk.peek("/s") ?? new Uint8Array(0);
      assert.equal(bytes.byteLength, 700_000);
      const expected = new Uint8Array(700_000).fill(0xff).fill(0, from, to);
      assert.ok(Buffer.from(bytes).equals(expected));
    });
  }
});

suite("Prewriter", () => {
  const STEP = 64 * 1024;

  test("does nothing when it is turned off", async () => {
    const disk = new SimulatedDisk();
    const file = await fileOn(disk);
    const { events } = disk;
    const prewriter = new Prewriter(file, 0, { stepBytes: 0, limitOffset: 1 << 20 });
    prewriter.startIfDue(0, 4096);
    await prewriter.before(1 << 20);
    await prewriter.settled();
    assert.equal(disk.events, events);
  });

  test("writes zeros behind the group, durable, up to the step or the limit", async () => {
    for (const limitOffset of [1 << 20, 40_000]) {
      const disk = new SimulatedDisk();
      const prewriter = new Prewriter(await fileOn(disk), 0, { stepBytes: STEP, limitOffset });
      prewriter.startIfDue(64, 1000);
      await prewriter.settled();
      const end = Math.min(1000 + STEP, limitOffset);
      assert.equal(disk.peek("/s")?.byteLength, end);
      await disk.syncDirectory("/");
      assert.equal(disk.onlyDurable().peek("/s")?.byteLength, end);
    }
  });

  test("starts the next step when half of the zeros are used, not before", async () => {
    const disk = new SimulatedDisk();
    const prewriter = new Prewriter(await fileOn(disk), STEP, {
      stepBytes: STEP,
      limitOffset: 1 << 20,
    });
    prewriter.startIfDue(0, STEP / 2 - 1);
    await prewriter.settled();
    assert.equal(disk.peek("/s")?.byteLength, 0);
    prewriter.startIfDue(STEP / 2 - 1, STEP / 2);
    await prewriter.settled();
    assert.equal(disk.peek("/s")?.byteLength, 2 * STEP);
  });

  test("leaves large groups to grow the file", async () => {
    const disk = new SimulatedDisk();
    const prewriter = new Prewriter(await fileOn(disk), 0, {
      stepBytes: STEP,
      limitOffset: 1 << 24,
    });
    prewriter.startIfDue(0, 64 * 1024 + 1);
    await prewriter.settled();
    assert.equal(disk.peek("/s")?.byteLength, 0);
  });

  test("goes on without zeros when there is no room for them, and gives back what it took", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 5000 });
    const prewriter = new Prewriter(await fileOn(disk), 0, {
      stepBytes: STEP,
      limitOffset: 1 << 20,
    });
    prewriter.startIfDue(0, 100);
    await prewriter.settled();
    await prewriter.before(1 << 20);
    assert.equal(disk.peek("/s")?.byteLength, 100);
    prewriter.startIfDue(100, 200);
    await prewriter.settled();
    assert.equal(disk.peek("/s")?.byteLength, 100, "and does not try again");
  });

  test("hands a failed sync to the writer, before its next write and when it settles", async () => {
    const disk = new SimulatedDisk();
    const file = await fileOn(disk, [{ kind: "syncData", nth: 1, code: "EIO" }]);
    const prewriter = new Prewriter(file, 0, { stepBytes: STEP, limitOffset: 1 << 20 });
    prewriter.startIfDue(0, 100);
    await assert.rejects(prewriter.settled());
    await assert.rejects(prewriter.before(200));
  });

  for (let seed = 1; seed <= 30; seed++) {
    test(`never overlaps data that is or has been written (seed ${seed})`, async () => {
      const random = new SeededRandom(seed);
      const scheduler = new SteppedScheduler(new SeededRandom(seed + 1000));
      const planted = new SimulatedDisk();
      planted.plant("/s", new Uint8Array(0));
      const disk = planted.withScheduler(scheduler);
      let isDone = false;
      const run = async (): Promise<void> => {
        const file = await disk.openFile("/s", "write");
        const limitOffset = 300_000;
        const prewriter = new Prewriter(file, 0, {
          stepBytes: random.pick([4096, 20_000]),
          limitOffset,
        });
        let offset = 64;
        const groups: [from: number, to: number][] = [];
        while (offset < 350_000) {
          const end = offset + random.pick([8, 500, 4000, 30_000, 70_000]);
          await prewriter.before(end);
          prewriter.startIfDue(offset, end);
          await file.write(
            [new Uint8Array(end - offset).fill(0xd0 + (groups.length % 16))],
            offset,
          );
          groups.push([offset, end]);
          offset = end;
        }
        await prewriter.settled();
        const bytes = disk.peek("/s") ?? new Uint8Array(0);
        for (const [index, [from, to]] of groups.entries()) {
          const expected = Buffer.alloc(to - from, 0xd0 + (index % 16));
          assert.ok(expected.equals(bytes.subarray(from, to)), `group at ${from}`);
        }
        assert.deepEqual(disk.violations, []);
        assert.ok(bytes.byteLength <= Math.max(limitOffset, offset));
      };
      const finished = run().finally(() => {
        isDone = true;
      });
      while (!isDone) {
        scheduler.step();
        await settle(1);
      }
      await finished;
    });
  }
});
