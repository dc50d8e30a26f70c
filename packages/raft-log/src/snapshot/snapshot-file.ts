/**
 * A snapshot file: header, members, data, each under a checksum. Pure; format in docs/raft-log.md, "Snapshots".
 *
 *     "WSNP"  version u32  group varint  index varint  term varint  members  data length varint
 *     CRC-32 of all before (u32)   data   CRC-32 of the data (u32)
 */
import { crc32 } from "node:zlib";
import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import { readConfState, writeConfState } from "../conf-state-codec.ts";
import type { Snapshot, SnapshotMetadata } from "../raft-types.ts";

const MAGIC = 0x504e5357; // "WSNP"
const VERSION = 1;

/** The file as pieces that are written one behind the other; the data is not copied. */
export function encodeSnapshot(
  groupId: number,
  { metadata, data }: Snapshot,
): readonly Uint8Array[] {
  const head = new ByteWriter();
  head.u32(MAGIC);
  head.u32(VERSION);
  head.varint(groupId);
  head.varint(metadata.index);
  head.varint(metadata.term);
  writeConfState(head, metadata.confState);
  head.varint(data.byteLength);
  head.u32(crc32(head.view(0, head.length)));
  const foot = new ByteWriter();
  foot.u32(crc32(data));
  return [head.view(0, head.length), data, foot.view(0, foot.length)];
}

/** What a file holds, or why it is no snapshot of this group. The data is a view of `bytes`. */
export function decodeSnapshot(
  groupId: number,
  bytes: Uint8Array,
):
  | { readonly kind: "valid"; readonly snapshot: Snapshot }
  | { readonly kind: "invalid"; readonly reason: string } {
  try {
    const reader = new ByteReader(bytes);
    if (reader.u32() !== MAGIC)
      return { kind: "invalid", reason: "it does not begin as a snapshot does" };
    const version = reader.u32();
    if (version !== VERSION)
      return { kind: "invalid", reason: `its version is ${version}, not ${VERSION}` };
    const group = reader.varint();
    const metadata: SnapshotMetadata = {
      index: reader.varint(),
      term: reader.varint(),
      confState: readConfState(reader),
    };
    const dataBytes = reader.varint();
    const headBytes = bytes.byteLength - reader.left;
    if (reader.u32() !== crc32(bytes.subarray(0, headBytes))) {
      return { kind: "invalid", reason: "the checksum of its head is wrong" };
    }
    if (group !== groupId) return { kind: "invalid", reason: `it is of group ${group}` };
    if (reader.left !== dataBytes + 4) {
      return {
        kind: "invalid",
        reason: `${dataBytes} bytes of data are announced, ${reader.left - 4} are there`,
      };
    }
    const data = reader.raw(dataBytes);
    if (reader.u32() !== crc32(data)) {
      return { kind: "invalid", reason: "the checksum of its data is wrong" };
    }
    return { kind: "valid", snapshot: { metadata, data } };
  } catch (error) {
    if (error instanceof RangeError) return { kind: "invalid", reason: "it is too short" };
    throw error;
  }
}

const NAME = /^([0-9a-f]{14})-([0-9a-f]{14})-([0-9a-f]{14})\.snap$/;

/** Name of a snapshot's file: group, index and term in hexadecimal, so that names sort as snapshots do. */
export function snapshotName(
  groupId: number,
  { index, term }: { index: number; term: number },
): string {
  return `${hex(groupId)}-${hex(index)}-${hex(term)}.snap`;
}

/** What a name says, or `undefined` for files that are none of ours. */
export function parseSnapshotName(
  name: string,
): { readonly groupId: number; readonly index: number; readonly term: number } | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [groupId = 0, index = 0, term = 0] = match
    .slice(1)
    .map((part) => Number.parseInt(part, 16));
  return { groupId, index, term };
}

function hex(value: number): string {
  return value.toString(16).padStart(14, "0");
}
