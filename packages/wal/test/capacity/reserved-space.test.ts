/** Free bytes of the device that a log leaves alone: on a simulated volume, and on a real one where root may mount it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SimulatedDisk, SmallVolume, whyNotMountable } from "@walnut/testkit";
import { isWalError, openWal, type Wal, type WalOptions } from "@walnut/wal";
import { Machine, settle } from "../machine.ts";
import { watch } from "./guard-bench.ts";

const MIB = 1024 * 1024;
const PAYLOAD = new Uint8Array(50_000);
const LARGE_SEGMENTS: Partial<WalOptions> = { segmentSizeBytes: 256 * 1024 };

/** Appends until there is no room; returns how often there was. */
async function flood(wal: Wal): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      await wal.append(PAYLOAD);
    } catch (error) {
      if (isWalError(error, "WAL_NO_SPACE")) return count;
      throw error;
    }
  }
}

suite("reserveFreeBytes on a simulated volume", () => {
  function machineOf(capacityBytes: number): Machine {
    return new Machine({ disk: new SimulatedDisk({ capacityBytes }) });
  }

  async function freeBytes({ disk }: Machine): Promise<number> {
    return (await disk.describeVolume("/log")).freeBytes;
  }

  test("is left alone, and what is above it is used", async () => {
    const machine = machineOf(2 * MIB);
    const wal = await machine.open({ ...LARGE_SEGMENTS, reserveFreeBytes: MIB });
    assert.ok((await flood(wal)) >= 19);
    await settle();
    const free = await freeBytes(machine);
    assert.ok(free >= MIB && free < MIB + 60_000, `${free} bytes are free`);
    await wal.close();
  });

  test("is left alone by appends that are still waiting for the disk, too", async () => {
    const machine = machineOf(4 * MIB);
    const wal = await machine.open({ ...LARGE_SEGMENTS, reserveFreeBytes: MIB });
    const appends = Array.from({ length: 100 }, () => watch(wal.append(PAYLOAD)));
    await settle(50);
    assert.ok(appends.some(({ code }) => code === "WAL_NO_SPACE"));
    assert.ok((await freeBytes(machine)) >= MIB);
    await wal.close();
  });

  test("reject: writing resumes by itself when others have made room", async () => {
    const machine = machineOf(2 * MIB);
    machine.disk.plant("/other", new Uint8Array(MIB));
    const wal = await machine.open({ ...LARGE_SEGMENTS, reserveFreeBytes: MIB });
    assert.equal(await flood(wal), 0);
    await machine.disk.remove("/other");
    await wal.append(PAYLOAD).catch(() => undefined);
    await settle();
    assert.equal(await wal.append(PAYLOAD), wal.positions.appendedLsn);
    await wal.close();
  });

  test("block: whoever waits is served soon after others have made room", async () => {
    const machine = machineOf(2 * MIB);
    machine.disk.plant("/other", new Uint8Array(MIB));
    const wal = await machine.open({
      ...LARGE_SEGMENTS,
      reserveFreeBytes: MIB,
      whenFull: "block",
      blockTimeoutMs: 10_000,
    });
    const append = watch(wal.append(PAYLOAD));
    await settle();
    machine.clock.advance(1000);
    await settle();
    assert.equal(append.state, "pending");
    await machine.disk.remove("/other");
    machine.clock.advance(500);
    await settle();
    assert.equal(append.state, "resolved");
    await wal.close();
  });

  test("drop-oldest: makes room by dropping one segment, not all", async () => {
    const machine = machineOf(3 * MIB);
    const wal = await machine.open({
      ...LARGE_SEGMENTS,
      reserveFreeBytes: MIB,
      whenFull: "drop-oldest",
    });
    for (let count = 0; count < 200; count++) {
      await wal.append(PAYLOAD);
      assert.ok((await freeBytes(machine)) >= MIB);
    }
    const held = wal.positions.appendedLsn - wal.positions.firstLsn + 1;
    assert.ok(held >= 30, `${held} records of 50,000 bytes are kept in 2 MiB`);
    await wal.close();
  });

  test("a device that does not say stops nothing", async () => {
    const machine = machineOf(2 * MIB);
    const wal = await machine.open({ ...LARGE_SEGMENTS, reserveFreeBytes: MIB });
    machine.disk.describeVolume = () => Promise.reject(new Error("EIO"));
    assert.equal(await wal.append(PAYLOAD), 1);
    await wal.close();
  });
});

suite("reserveFreeBytes on a real tmpfs", { skip: whyNotMountable("tmpfs") }, () => {
  const REAL: Partial<WalOptions> = {
    ...LARGE_SEGMENTS,
    bufferSizeBytes: 64 * 1024,
    prewriteBytes: 0,
    reserveFreeBytes: MIB,
  };

  test("is left alone; writing goes on when a cursor moves, and when others make room", async (context) => {
    const volume = SmallVolume.mount("tmpfs", context);
    await using wal = await openWal({ ...REAL, directory: join(volume.path, "log") });
    const cursor = wal.cursor("reader");
    assert.ok((await flood(wal)) > 40);
    assert.ok(volume.freeBytes >= MIB - 16 * 1024, `${volume.freeBytes} bytes are free`);
    await cursor.ack(wal.positions.appendedLsn);
    assert.ok((await flood(wal)) > 30);
    volume.take(512 * 1024);
    await cursor.ack(wal.positions.appendedLsn);
    const squeezed = await flood(wal);
    volume.drain();
    // A refusal has the device asked again; its answer takes a moment.
    let resumed = 0;
    for (let attempt = 0; attempt < 1000 && resumed === 0; attempt++) {
      await settle(1);
      resumed = await wal.append(PAYLOAD).catch(() => 0);
    }
    assert.ok(resumed > squeezed);
    assert.ok((await flood(wal)) > 5);
  });

  test("drop-oldest keeps a bounded log on a volume that others fill as well", async (context) => {
    const volume = SmallVolume.mount("tmpfs", context);
    const directory = join(volume.path, "log");
    await using wal = await openWal({ ...REAL, directory, whenFull: "drop-oldest" });
    for (let count = 0; count < 100; count++) await wal.append(PAYLOAD);
    volume.take(MIB);
    for (let count = 0; count < 100; count++) await wal.append(PAYLOAD);
    assert.ok(volume.freeBytes >= MIB - 64 * 1024, `${volume.freeBytes} bytes are free`);
    const { firstLsn, appendedLsn } = wal.positions;
    assert.equal(appendedLsn, 200);
    assert.equal(wal.status().dropped?.oldestRecords, firstLsn - 1);
    let next = firstLsn;
    for await (const { lsn } of wal.read()) assert.equal(lsn, next++);
    assert.equal(next, 201);
  });
});
