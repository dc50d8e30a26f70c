/**
 * A `.snap` file of etcd: a snapshot and its CRC-32C, as `snappb.snapshot`. Pure.
 *
 * The name has the term first and then the index, other than the names of the WAL.
 */
import { ByteWriter } from "../byte-writer.ts";
import type { Snapshot } from "../raft-types.ts";
import { crc32c } from "./crc32c.ts";
import { bytesOf, numberOf, readFields, writeBytesHead, writeNumberField } from "./proto-fields.ts";
import { decodeRaftSnapshot, encodeRaftSnapshot } from "./raft-messages.ts";
import { hex16 } from "./segment-name.ts";

const NAME = /^([0-9a-f]{16})-([0-9a-f]{16})\.snap$/;

/** What a snapshot is called by. */
export interface SnapId {
  readonly term: number;
  readonly index: number;
}

export function snapName({ term, index }: SnapId): string {
  return `${hex16(term)}-${hex16(index)}.snap`;
}

/** `undefined` for other files, the database of etcd among them. */
export function parseSnapName(name: string): SnapId | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [term = 0, index = 0] = match.slice(1).map((part) => Number.parseInt(part, 16));
  return { term, index };
}

/** The file as pieces that are written one behind the other; the data is not copied. */
export function encodeSnapFile(snapshot: Snapshot): readonly Uint8Array[] {
  const pieces = encodeRaftSnapshot(snapshot);
  const head = new ByteWriter();
  writeNumberField(head, 1, pieces.reduce(crc32c, 0));
  writeBytesHead(
    head,
    2,
    pieces.reduce((sum, { byteLength }) => sum + byteLength, 0),
  );
  return [head.view(0, head.length), ...pieces];
}

/** What a file holds, or why it is no snapshot. The data is a view of `bytes`. */
export function decodeSnapFile(
  bytes: Uint8Array,
):
  | { readonly kind: "valid"; readonly snapshot: Snapshot }
  | { readonly kind: "invalid"; readonly reason: string } {
  if (bytes.byteLength === 0) return { kind: "invalid", reason: "it is empty" };
  try {
    let crc = 0;
    let data: Uint8Array = new Uint8Array(0);
    for (const { number, value } of readFields(bytes)) {
      if (number === 1) crc = numberOf(value);
      else if (number === 2) data = bytesOf(value);
    }
    if (data.byteLength === 0 || crc === 0) {
      return { kind: "invalid", reason: "it has no data, or no checksum" };
    }
    if (crc32c(0, data) !== crc) return { kind: "invalid", reason: "its checksum is wrong" };
    return { kind: "valid", snapshot: decodeRaftSnapshot(data) };
  } catch (error) {
    if (error instanceof RangeError) return { kind: "invalid", reason: error.message };
    throw error;
  }
}
