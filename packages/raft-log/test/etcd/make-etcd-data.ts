/**
 * Makes a data directory of test/etcd/data with the etcd of the variable `WALNUT_TEST_ETCD`: two lives, ended by SIGKILL, with snapshots.
 * Its files are named by the version, compressed, and without the zeros that etcd writes ahead of its WAL, but for a page.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DATA_DIRECTORY, PUTS_OF_A_LIFE } from "./etcd-data.ts";
import { ETCD_VERSION, EtcdProcess } from "./etcd-process.ts";

const PAGE_BYTES = 4096;

if (ETCD_VERSION === undefined) throw new Error("there is no etcd");
const dataDirectory = await mkdtemp(join(tmpdir(), "make-etcd-data-"));
const target = join(DATA_DIRECTORY, ETCD_VERSION);
try {
  for (const puts of PUTS_OF_A_LIFE) {
    const etcd = await EtcdProcess.start(undefined, { dataDirectory, snapshotCount: 12 });
    for (const put of puts) {
      const [key = "", value = ""] = put.split("=");
      await etcd.put(key, value);
    }
    await etcd.stop("SIGKILL");
  }
  await rm(target, { recursive: true, force: true });
  for (const [directory, suffix] of [
    ["wal", ".wal"],
    ["snap", ".snap"],
  ] as const) {
    await mkdir(join(target, "member", directory), { recursive: true });
    const names = await readdir(join(dataDirectory, "member", directory));
    for (const name of names.filter((each) => each.endsWith(suffix))) {
      const bytes = await readFile(join(dataDirectory, "member", directory, name));
      const lastByte = bytes.findLastIndex((byte) => byte !== 0);
      const kept = bytes.subarray(0, Math.ceil(lastByte / PAGE_BYTES + 1) * PAGE_BYTES);
      const written = suffix === ".wal" ? kept : bytes;
      await writeFile(join(target, "member", directory, `${name}.gz`), gzipSync(written));
    }
  }
} finally {
  await rm(dataDirectory, { recursive: true, force: true });
}
