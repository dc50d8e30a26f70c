/**
 * Real file systems of a few MiB that a test can fill: a tmpfs, and ext4 in a file that is mounted through a loop device.
 *
 * Needs Linux, root and the right to mount, which a container may not have; otherwise the reason why not is told. Every volume is
 * unmounted when its test is over.
 */

import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export const VOLUME_KINDS = ["tmpfs", "ext4"] as const;
export type VolumeKind = (typeof VOLUME_KINDS)[number];

/** Small enough to fill in a moment; ext4 with a journal does not come smaller. */
const VOLUME_MIB: Readonly<Record<VolumeKind, number>> = { tmpfs: 4, ext4: 8 };

/** A mounted file system. */
export class SmallVolume {
  /** Where it is mounted. */
  readonly path: string;
  readonly #fillerPath: string;

  private constructor(path: string) {
    this.path = path;
    this.#fillerPath = join(path, "filler");
  }

  /** Mounts a new volume until the end of the test. */
  static mount(
    kind: VolumeKind,
    context: TestContext,
    { mib = VOLUME_MIB[kind] }: { readonly mib?: number } = {},
  ): SmallVolume {
    const folder = mkdtempSync(join(tmpdir(), "walnut-volume-"));
    const path = join(folder, "mounted");
    mkdirSync(path);
    if (kind === "tmpfs") {
      run("mount", "-t", "tmpfs", "-o", `size=${mib}m`, "walnut", path);
    } else {
      const image = join(folder, "image");
      const descriptor = openSync(image, "wx");
      ftruncateSync(descriptor, mib * 1024 * 1024);
      closeSync(descriptor);
      // No blocks kept back for root: full means full for everybody.
      run("mkfs.ext4", "-q", "-F", "-m", "0", image);
      run("mount", "-o", "loop", image, path);
    }
    context.after(() => {
      // Lazily: a test that failed may have left a log open.
      run("umount", "-l", path);
      rmSync(folder, { recursive: true });
    });
    return new SmallVolume(path);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Takes all space that is left, to the last byte, with a file of its own. */
  fill(): void {
    const descriptor = openSync(this.#fillerPath, "a");
    try {
      for (let lengthBytes = 64 * 1024; lengthBytes >= 1;) {
        if (!canWrite(descriptor, lengthBytes)) lengthBytes = Math.floor(lengthBytes / 2);
      }
    } finally {
      closeSync(descriptor);
    }
  }

  /** Takes some space, which {@link drain} gives back. */
  take(lengthBytes: number): void {
    const descriptor = openSync(this.#fillerPath, "a");
    writeSync(descriptor, new Uint8Array(lengthBytes));
    closeSync(descriptor);
  }

  /** Gives back what {@link take} and {@link fill} took. */
  drain(): void {
    rmSync(this.#fillerPath, { force: true });
  }
}

/** Why volumes of this kind cannot be mounted here, or `false` when they can: what `skip` of a test wants. */
export function whyNotMountable(kind: VolumeKind): string | false {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, to mount a file system";
  const folder = mkdtempSync(join(tmpdir(), "walnut-volume-"));
  try {
    run("mount", "-t", "tmpfs", "-o", "size=64k", "walnut", folder);
    run("umount", folder);
    if (kind === "ext4") run("mkfs.ext4", "-V");
    if (kind === "ext4") run("losetup", "-f");
    return false;
  } catch (error) {
    const text = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    return `cannot mount a ${kind} here: ${text}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function canWrite(descriptor: number, lengthBytes: number): boolean {
  try {
    return writeSync(descriptor, new Uint8Array(lengthBytes)) === lengthBytes;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}

function run(command: string, ...words: readonly string[]): void {
  execFileSync(command, words, { stdio: ["ignore", "ignore", "pipe"] });
}
