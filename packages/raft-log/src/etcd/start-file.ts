/**
 * Where the log begins after a compaction: a small file beside `wal/`.
 *
 * Etcd forgets compactions when it stops: it begins at its newest snapshot. Its files have no place for them, so they stand in a
 * file of their own, which etcd does not look at. Without it the log begins with its oldest entries.
 */
import { joinPath, type Storage } from "@walnut/wal";
import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import { RaftLogError } from "../errors.ts";
import type { LogStart } from "../group-state.ts";
import { readWhole, writeWhole } from "../whole-file.ts";
import { crc32c } from "./crc32c.ts";
import { namesIn } from "./wal-directory.ts";

export const START_NAME = "raft-start";
const MAGIC = 0x54535752; // "RWST"

/** What the node noted, or `undefined`. @throws {RaftLogError} `RAFT_CORRUPT` */
export async function readStart(
  storage: Storage,
  directory: string,
): Promise<LogStart | undefined> {
  if (!(await namesIn(storage, directory)).includes(START_NAME)) return undefined;
  const path = joinPath(directory, START_NAME);
  const bytes = await readWhole(storage, path);
  try {
    return decode(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RaftLogError(
      "RAFT_CORRUPT",
      `${path} is damaged: it should say up to which entry the log was compacted. Without it the log begins with the oldest ` +
        "entries that there are: move it away to have that",
      { details: { path }, cause },
    );
  }
}

/**
 * Notes where the log begins. Durable when it resolves. Steps, and what a crash right after each leaves behind:
 * 1. temporary file written and synced: the note before, and a leftover (CRASH: raft-etcd-start-1)
 * 2. renamed, directory synced: the new note (CRASH: raft-etcd-start-2)
 *
 * @param guard - runs the step after whose failure nobody knows which note there is
 */
export async function writeStart(
  storage: Storage,
  directory: string,
  start: LogStart,
  guard: (step: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const path = joinPath(directory, START_NAME);
  const temporaryPath = `${path}.tmp`;
  await writeWhole(storage, temporaryPath, [encode(start)]);
  await guard(async () => {
    await storage.rename(temporaryPath, path);
    await storage.syncDirectory(directory);
  });
}

function encode({ index, term }: LogStart): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u64(BigInt(index));
  writer.u64(BigInt(term));
  writer.u32(crc32c(0, writer.view(0, writer.length)));
  return writer.view(0, writer.length);
}

function decode(bytes: Uint8Array): LogStart {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== MAGIC) throw new RangeError("no note");
  const start = { index: Number(reader.u64()), term: Number(reader.u64()) };
  const checked = bytes.byteLength - reader.left;
  if (reader.u32() !== crc32c(0, bytes.subarray(0, checked))) throw new RangeError("checksum");
  return start;
}
