/** What status says about the volume: volatile, network, overlay, unknown; on a simulated disk and on a real tmpfs. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { FaultyStorage } from "@walnut/testkit";
import { DURABILITY_LEVELS, openWal, type VolumeStatus } from "@walnut/wal";
import { survivalOf, volumeWarnings } from "../src/survival.ts";
import { Machine, textBytes } from "./machine.ts";

const DISK: VolumeStatus = { type: "ext4", isVolatile: false, isNetwork: false };
const MEMORY: VolumeStatus = { type: "tmpfs", isVolatile: true, isNetwork: false };
const NETWORK: VolumeStatus = { type: "nfs", isVolatile: undefined, isNetwork: true };
const OVERLAY: VolumeStatus = { type: "overlay", isVolatile: undefined, isNetwork: false };

const noMount =
  process.platform === "linux" && process.getuid?.() === 0
    ? false
    : "mounting a tmpfs takes root on Linux";

suite("survivalOf", () => {
  const survivals = (volume: VolumeStatus): string[] =>
    DURABILITY_LEVELS.map((durability) =>
      survivalOf({ durability, syncIntervalMs: 100, syncIntervalBytes: 4096 }, volume),
    );

  test("follows the durability level on a disk", () => {
    assert.deepEqual(survivals(DISK), [
      "a power loss",
      "a power loss",
      "the death of the process; a power loss except for the last 100 ms or 4096 bytes",
      "the death of the process; not a power loss",
      "a close of the log, not the death of the process",
      "nothing: nothing is kept",
    ]);
  });

  test("never promises more than the process on a volatile file system", () => {
    assert.deepEqual(survivals(MEMORY), [
      "a restart of the process, not of the host",
      "a restart of the process, not of the host",
      "a restart of the process, not of the host",
      "a restart of the process, not of the host",
      "a close of the log, not the death of the process",
      "nothing: nothing is kept",
    ]);
  });
});

suite("volumeWarnings", () => {
  test("names volatile, network and overlay file systems, and no others", () => {
    assert.deepEqual(volumeWarnings(DISK), []);
    for (const volume of [MEMORY, NETWORK, OVERLAY]) {
      const warnings = volumeWarnings(volume);
      assert.equal(warnings.length, 1);
      assert.ok(warnings[0]?.includes(volume.type));
    }
    assert.equal(volumeWarnings({ ...OVERLAY, isVolatile: true }).length, 1);
  });
});

suite("status of the volume", () => {
  test("is what the storage says", async () => {
    const machine = new Machine();
    machine.disk.volume = { type: "tmpfs", isVolatile: true };
    const wal = await machine.open();
    const { volume, survives, warnings } = wal.status();
    assert.deepEqual(volume, MEMORY);
    assert.equal(survives, "a restart of the process, not of the host");
    assert.equal(warnings.length, 1);
    await wal.close();
  });

  test("is unknown where the storage cannot say, and the log opens all the same", async () => {
    const machine = new Machine({
      wrapStorage: (disk) =>
        new FaultyStorage(disk, [{ kind: "describeVolume", nth: 1, code: "ENOSYS" }]),
    });
    const wal = await machine.open();
    await wal.append(textBytes("x"));
    assert.deepEqual(wal.status().volume, {
      type: "unknown",
      isVolatile: undefined,
      isNetwork: false,
    });
    assert.deepEqual(wal.status().warnings, []);
    await wal.close();
  });

  test("names a real tmpfs", { skip: noMount }, async (context) => {
    const directory = await mkdtemp(join(tmpdir(), "walnut-tmpfs-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", directory], {
        stdio: "pipe",
      });
    } catch {
      await rm(directory, { recursive: true });
      context.skip("root may not mount here (a container without the right)");
      return;
    }
    try {
      const wal = await openWal({ directory: join(directory, "log") });
      await wal.append(textBytes("x"));
      const { volume, survives } = wal.status();
      assert.deepEqual(volume, MEMORY);
      assert.equal(survives, "a restart of the process, not of the host");
      await wal.close();
    } finally {
      execFileSync("umount", [directory]);
      await rm(directory, { recursive: true });
    }
  });
});
