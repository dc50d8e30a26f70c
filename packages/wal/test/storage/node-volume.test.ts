/** What a directory is stored on: numbers of statfs, options of mounts, and a real tmpfs. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { describeVolume, mountOptionsOf, volumeKind } from "../../src/storage/node-volume.ts";

const KINDS = [
  { magic: 0xef53, type: "ext4", isVolatile: false, isNetwork: false },
  { magic: 0x58465342, type: "xfs", isVolatile: false, isNetwork: false },
  { magic: 0x9123683e, type: "btrfs", isVolatile: false, isNetwork: false },
  { magic: 0x01021994, type: "tmpfs", isVolatile: true, isNetwork: false },
  { magic: 0x858458f6, type: "ramfs", isVolatile: true, isNetwork: false },
  { magic: 0x6969, type: "nfs", isVolatile: undefined, isNetwork: true },
  { magic: 0xff534d42, type: "cifs", isVolatile: undefined, isNetwork: true },
  { magic: 0x794c7630, type: "overlay", isVolatile: undefined, isNetwork: false },
  { magic: 0x65735546, type: "fuse", isVolatile: undefined, isNetwork: false },
  { magic: 0x12345678, type: "unknown", isVolatile: undefined, isNetwork: false },
  { magic: 0, type: "unknown", isVolatile: undefined, isNetwork: false },
] as const;

const MOUNTS = `overlay / overlay rw,relatime,upperdir=/a,workdir=/b 0 0
proc /proc proc rw 0 0
overlay /data overlay rw,volatile 0 0
/dev/sda1 /data/with\\040space ext4 rw,noatime 0 0
tmpfs /run tmpfs rw 0 0
tmpfs /run tmpfs ro,size=1k 0 0
`;

const hasStatfs = process.platform === "linux" || process.platform === "darwin";
const noMount =
  process.platform === "linux" && process.getuid?.() === 0
    ? false
    : "mounting a tmpfs takes root on Linux";

suite("node-volume", () => {
  for (const { magic, ...kind } of KINDS) {
    test(`takes statfs type 0x${magic.toString(16)} for ${kind.type}`, () => {
      assert.deepEqual(volumeKind(magic), kind);
    });
  }

  test("knows a number that the system returns sign-extended", () => {
    assert.equal(volumeKind(0xff534d42 | 0).type, "cifs");
    assert.equal(volumeKind(0x9123683e | 0).type, "btrfs");
  });

  test("finds the options of the mount that holds a path", () => {
    const cases = [
      { path: "/data", has: "volatile" },
      { path: "/data/log", has: "volatile" },
      { path: "/database", has: "workdir=/b" },
      { path: "/data/with space/log", has: "noatime" },
      { path: "/run/log", has: "size=1k" },
      { path: "/", has: "relatime" },
    ];
    for (const { path, has } of cases) {
      assert.ok(mountOptionsOf(MOUNTS, path).includes(has), `${path} should have ${has}`);
    }
    assert.deepEqual(mountOptionsOf("", "/data"), []);
    assert.deepEqual(mountOptionsOf("garbage\n\n", "/data"), []);
  });

  test(
    "describes a directory, and fails for one that is not there",
    { skip: !hasStatfs },
    async () => {
      const directory = await mkdtemp(join(tmpdir(), "walnut-volume-"));
      try {
        const volume = await describeVolume(directory);
        assert.ok(volume.freeBytes > 0);
        assert.ok(volume.totalBytes >= volume.freeBytes);
        await assert.rejects(describeVolume(join(directory, "none")), { code: "ENOENT" });
      } finally {
        await rm(directory, { recursive: true });
      }
    },
  );

  test("tells a real tmpfs, and how full it is", { skip: noMount }, async (context) => {
    const directory = await mkdtemp(join(tmpdir(), "walnut-tmpfs-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], {
        stdio: "pipe",
      });
    } catch {
      await rm(directory, { recursive: true });
      context.skip("root may not mount here (a container without the right)");
      return;
    }
    try {
      const before = await describeVolume(directory);
      assert.equal(before.type, "tmpfs");
      assert.equal(before.isVolatile, true);
      assert.equal(before.totalBytes, 1024 * 1024);
      await writeFile(join(directory, "f"), new Uint8Array(256 * 1024));
      const after = await describeVolume(directory);
      assert.equal(before.freeBytes - after.freeBytes, 256 * 1024);
    } finally {
      execFileSync("umount", [directory]);
      await rm(directory, { recursive: true });
    }
  });
});
