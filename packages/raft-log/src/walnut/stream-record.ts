/**
 * Records of the shared stream: what each one says, and its bytes. Format and reasons: docs/raft-log.md, "On disk".
 *
 *     entry        1, group, index, term, type, data
 *     entry+state  2, group, hard state, index, term, type, data
 *     hard state   3, group, hard state
 *     group state  4, group, hard state, start, snapshot, flags
 *     removed      5, group
 *
 * A frame of the log underneath carries checksum, length and order; a record has neither.
 */
import { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { readConfState, writeConfState } from "../conf-state-codec.ts";
import type { LogStart } from "../group-state.ts";
import type { Entry, EntryType, HardState, SnapshotMetadata } from "../raft-types.ts";

const KIND = { entry: 1, entryWithState: 2, hardState: 3, groupState: 4, removed: 5 } as const;

/** Everything about a group but its entries. */
export interface GroupStateRecord {
  readonly kind: "group-state";
  readonly groupId: number;
  readonly hardState: HardState;
  readonly start: LogStart;
  /** Last entry at this moment: with fewer on replay, records are missing. */
  readonly lastIndex: number;
  readonly snapshot: SnapshotMetadata | undefined;
  /** The entries before this record are no longer the group's. */
  readonly clearsEntries: boolean;
}

/** One record of the stream. */
export type StreamRecord =
  | {
      readonly kind: "entry";
      readonly groupId: number;
      readonly hardState: HardState | undefined;
      readonly entry: Entry;
    }
  | { readonly kind: "hard-state"; readonly groupId: number; readonly hardState: HardState }
  | GroupStateRecord
  | { readonly kind: "removed"; readonly groupId: number };

export function writeEntry(
  writer: ByteWriter,
  groupId: number,
  hardState: HardState | undefined,
  entry: Entry,
): void {
  writer.u8(hardState === undefined ? KIND.entry : KIND.entryWithState);
  writer.varint(groupId);
  if (hardState !== undefined) writeHardState(writer, hardState);
  writer.varint(entry.index);
  writer.varint(entry.term);
  writer.u8(entry.type);
  writer.raw(entry.data);
}

export function writeHardStateRecord(
  writer: ByteWriter,
  groupId: number,
  hardState: HardState,
): void {
  writer.u8(KIND.hardState);
  writer.varint(groupId);
  writeHardState(writer, hardState);
}

export function writeGroupState(writer: ByteWriter, record: GroupStateRecord): void {
  writer.u8(KIND.groupState);
  writer.varint(record.groupId);
  writeHardState(writer, record.hardState);
  writer.varint(record.start.index);
  writer.varint(record.start.term);
  writer.varint(record.lastIndex);
  writer.u8(record.clearsEntries ? 1 : 0);
  writer.varint(record.snapshot?.index ?? 0);
  if (record.snapshot === undefined) return;
  writer.varint(record.snapshot.term);
  writeConfState(writer, record.snapshot.confState);
}

export function writeRemoved(writer: ByteWriter, groupId: number): void {
  writer.u8(KIND.removed);
  writer.varint(groupId);
}

/**
 * Reads one record. The data of an entry is a view of `payload`.
 *
 * @throws {RangeError} when the bytes are no record
 */
export function decodeStreamRecord(payload: Uint8Array): StreamRecord {
  const reader = new ByteReader(payload);
  const kind = reader.u8();
  const groupId = reader.varint();
  switch (kind) {
    case KIND.entry:
      return { kind: "entry", groupId, hardState: undefined, entry: readEntry(reader) };
    case KIND.entryWithState: {
      const hardState = readHardState(reader);
      return { kind: "entry", groupId, hardState, entry: readEntry(reader) };
    }
    case KIND.hardState:
      return { kind: "hard-state", groupId, hardState: readHardState(reader) };
    case KIND.groupState:
      return readGroupState(reader, groupId);
    case KIND.removed:
      return { kind: "removed", groupId };
    default:
      throw new RangeError(`record kind ${kind}`);
  }
}

function readGroupState(reader: ByteReader, groupId: number): GroupStateRecord {
  const hardState = readHardState(reader);
  const start = { index: reader.varint(), term: reader.varint() };
  const lastIndex = reader.varint();
  const clearsEntries = reader.u8() === 1;
  const index = reader.varint();
  const snapshot =
    index === 0 ? undefined : { index, term: reader.varint(), confState: readConfState(reader) };
  return { kind: "group-state", groupId, hardState, start, lastIndex, clearsEntries, snapshot };
}

function writeHardState(writer: ByteWriter, { term, vote, commit }: HardState): void {
  writer.varint(term);
  writer.u64(vote);
  writer.varint(commit);
}

function readHardState(reader: ByteReader): HardState {
  return { term: reader.varint(), vote: reader.u64(), commit: reader.varint() };
}

function readEntry(reader: ByteReader): Entry {
  const index = reader.varint();
  const term = reader.varint();
  const type = reader.u8();
  if (!isEntryType(type)) throw new RangeError(`entry type ${type}`);
  return { index, term, type, data: reader.raw(reader.left) };
}

function isEntryType(type: number): type is EntryType {
  return type === 0 || type === 1 || type === 2;
}
