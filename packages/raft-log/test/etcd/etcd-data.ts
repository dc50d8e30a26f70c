/** Data directories that real etcds of several versions wrote; `make-etcd-data.ts` says how. */
import { readdirSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

export const DATA_DIRECTORY: string = join(import.meta.dirname, "data");

/** Versions of etcd of which there is a directory. */
export const ETCD_VERSIONS: readonly string[] = readdirSync(DATA_DIRECTORY).filter((name) =>
  /^\d/.test(name),
);

/**
 * The WAL that the test of etcd-dump-logs writes, of 34 entries with every kind of request, as etcd 3.6.16 wrote it. The tool's own
 * output for it is the one that its test expects.
 */
export const DUMP_LOGS_WAL: string = join(DATA_DIRECTORY, "dump-logs.wal.gz");

/** What was put, as `key=value`, between a start and a SIGKILL. */
export const PUTS_OF_A_LIFE: readonly (readonly string[])[] = [putsFrom(1, 18), putsFrom(19, 30)];

function putsFrom(first: number, last: number): readonly string[] {
  return Array.from({ length: last - first + 1 }, (_, count) => {
    const number = first + count;
    return `key${number}=value ${number} ${"x".repeat(number * 3)}`;
  });
}

/** Writes the data directory of a version as etcd left it. */
export async function unpackEtcdData(version: string, directory: string): Promise<void> {
  const source = join(DATA_DIRECTORY, version);
  for (const name of await readdir(source, { recursive: true })) {
    if (!name.endsWith(".gz")) continue;
    const target = join(directory, name.slice(0, -".gz".length));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, gunzipSync(await readFile(join(source, name))));
  }
}
