/**
 * What a path is stored on: file system, room, and whether any of it outlives the host.
 *
 * On Linux the kind is a number that statfs returns (linux/magic.h). In a container the root is usually an overlay, whose upper
 * directory decides; it is outside and cannot be seen, so an overlay stays undecided, except when it was mounted `volatile`,
 * which turns syncs off. Elsewhere the kind is "unknown".
 */
import * as fs from "node:fs";
import type { VolumeFacts } from "./storage.ts";

type VolumeKind = Pick<VolumeFacts, "type" | "isVolatile" | "isNetwork">;

const UNKNOWN: VolumeKind = { type: "unknown", isVolatile: undefined, isNetwork: false };

const MOUNTS_PATH = "/proc/self/mounts";

/** Facts about the file system that holds `filePath`. */
export async function describeVolume(filePath: string): Promise<VolumeFacts> {
  const stats = await fs.promises.statfs(filePath);
  const kind = process.platform === "linux" ? volumeKind(stats.type) : UNKNOWN;
  return {
    ...kind,
    ...(kind.type === "overlay" && (await isVolatileOverlay(filePath)) ? { isVolatile: true } : {}),
    freeBytes: stats.bavail * stats.bsize,
    totalBytes: stats.blocks * stats.bsize,
  };
}

/** The file system of a number from Linux' statfs. */
export function volumeKind(magic: number): VolumeKind {
  // Some systems return the number sign-extended.
  const unsigned = magic >>> 0;
  const local = LOCAL_TYPES[unsigned];
  if (local !== undefined) return { type: local, isVolatile: false, isNetwork: false };
  const memory = VOLATILE_TYPES[unsigned];
  if (memory !== undefined) return { type: memory, isVolatile: true, isNetwork: false };
  const network = NETWORK_TYPES[unsigned];
  if (network !== undefined) return { type: network, isVolatile: undefined, isNetwork: true };
  const other = UNDECIDED_TYPES[unsigned];
  return other === undefined ? UNKNOWN : { ...UNKNOWN, type: other };
}

const LOCAL_TYPES: Readonly<Record<number, string>> = {
  // ext2, ext3 and ext4 share one number; the newest reads all three.
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x2fc12fc1: "zfs",
  0xf2f52010: "f2fs",
  0xca451a4e: "bcachefs",
  0x3153464a: "jfs",
  0x52654973: "reiserfs",
  0x4d44: "vfat",
  0x2011bab0: "exfat",
  0x5346544e: "ntfs",
  0x7366746e: "ntfs3",
};

const VOLATILE_TYPES: Readonly<Record<number, string>> = {
  0x01021994: "tmpfs",
  0x858458f6: "ramfs",
  0x958458f6: "hugetlbfs",
};

const NETWORK_TYPES: Readonly<Record<number, string>> = {
  0x6969: "nfs",
  0xff534d42: "cifs",
  0xfe534d42: "smb2",
  0x517b: "smb",
  0x00c36400: "ceph",
  0x01021997: "9p",
  0x5346414f: "afs",
  0x6b414653: "afs",
  0x73757245: "coda",
  0x0bd00bd0: "lustre",
  0x47504653: "gpfs",
  0x01161970: "gfs2",
  0x7461636f: "ocfs2",
};

/** What these do depends on what is behind them. */
const UNDECIDED_TYPES: Readonly<Record<number, string>> = {
  0x794c7630: "overlay",
  0x61756673: "aufs",
  0x65735546: "fuse",
  0xf15f: "ecryptfs",
};

/** True when the overlay that holds `filePath` was mounted with the option "volatile". */
async function isVolatileOverlay(filePath: string): Promise<boolean> {
  const realPath = await fs.promises.realpath(filePath);
  let mounts: string;
  try {
    mounts = await fs.promises.readFile(MOUNTS_PATH, "utf8");
  } catch {
    // Without /proc nothing more can be told, and the overlay stays undecided.
    return false;
  }
  return mountOptionsOf(mounts, realPath).includes("volatile");
}

/** Options of the mount that holds an absolute path, given the text of /proc/self/mounts; none when it is not listed. */
export function mountOptionsOf(mounts: string, filePath: string): readonly string[] {
  let longest = -1;
  let found: readonly string[] = [];
  for (const line of mounts.split("\n")) {
    const [, target, , options] = line.split(" ");
    if (target === undefined || options === undefined) continue;
    // Spaces, tabs, line breaks and backslashes are written as octal numbers.
    const mountPath = target.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const prefix = mountPath.endsWith("/") ? mountPath : `${mountPath}/`;
    // Of two mounts on one path the later one is on top.
    if (`${filePath}/`.startsWith(prefix) && prefix.length >= longest) {
      longest = prefix.length;
      found = options.split(",");
    }
  }
  return found;
}
