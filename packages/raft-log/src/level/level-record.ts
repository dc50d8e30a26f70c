/**
 * Keys and values of the `level` backend. Pure; format in docs/raft-log.md, "In a store of keys".
 *
 *     "e" group index    a record "entry" of the stream, CRC-32
 *     "s" group          a record "group state" of the stream, or "removed", CRC-32
 *
 * Group and index are 8 bytes, the highest first: keys sort by group, and then by index.
 */
import { crc32 } from "node:zlib";
import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import { RaftLogError } from "../errors.ts";
import type { Entry } from "../raft-types.ts";
import {
  decodeStreamRecord,
  writeEntry,
  writeGroupState,
  writeRemoved,
  type GroupStateRecord,
  type StreamRecord,
} from "../walnut/stream-record.ts";
import type { LevelRange } from "./level-store.ts";

const ENTRY = 0x65; // "e"
const STATE = 0x73; // "s"

const WALKED = {
  keyEncoding: "view",
  valueEncoding: "view",
  highWaterMarkBytes: 1024 * 1024, // 1 MiB
} as const;

export function entryKey(groupId: number, index: number): Uint8Array {
  const key = new Uint8Array(17);
  const view = new DataView(key.buffer);
  view.setUint8(0, ENTRY);
  view.setBigUint64(1, BigInt(groupId));
  view.setBigUint64(9, BigInt(index));
  return key;
}

export function stateKey(groupId: number): Uint8Array {
  const key = new Uint8Array(9);
  const view = new DataView(key.buffer);
  view.setUint8(0, STATE);
  view.setBigUint64(1, BigInt(groupId));
  return key;
}

/** The entries of one group from `lo` up to but not including `hi`. */
export function entryRange(groupId: number, lo: number, hi: number): LevelRange {
  return { gte: entryKey(groupId, lo), lt: entryKey(groupId, hi), ...WALKED };
}

/** All entries of all groups, ordered by group and index. */
export function allEntries(): LevelRange {
  return { gte: Uint8Array.of(ENTRY), lt: Uint8Array.of(ENTRY + 1), ...WALKED };
}

/** The states of all groups. */
export function allStates(): LevelRange {
  return { gte: Uint8Array.of(STATE), lt: Uint8Array.of(STATE + 1), ...WALKED };
}

export function entryValue(groupId: number, entry: Entry): Uint8Array {
  return sealed((writer) => writeEntry(writer, groupId, undefined, entry));
}

export function stateValue(record: GroupStateRecord): Uint8Array {
  return sealed((writer) => writeGroupState(writer, record));
}

/** In the place of a state: the group is removed, and what is left of it is to go. */
export function removedValue(groupId: number): Uint8Array {
  return sealed((writer) => writeRemoved(writer, groupId));
}

/**
 * Reads a value. The data of an entry is a view of it.
 *
 * @throws {RaftLogError} `RAFT_CORRUPT` when it is not what was written
 */
export function readValue(key: Uint8Array, value: Uint8Array): StreamRecord {
  try {
    const reader = new ByteReader(value);
    const body = reader.raw(value.byteLength - 4);
    if (reader.u32() !== crc32(body)) throw new RangeError("the checksum is wrong");
    return decodeStreamRecord(body);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw damaged(key, cause);
  }
}

export function damaged(key: Uint8Array, cause: unknown): RaftLogError {
  const name = Buffer.from(key).toString("hex");
  return new RaftLogError("RAFT_CORRUPT", `the value of key ${name} is not what was written`, {
    details: { key: name },
    cause,
  });
}

function sealed(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  writer.u32(crc32(writer.view(0, writer.length)));
  return writer.view(0, writer.length);
}
