/**
 * Cursor file: a named, durable position.
 *
 * Specification: docs/format.md, "Cursor file". Pure.
 */
import { checksum } from "./checksum.ts";
import { readU64, writeU64 } from "./integers.ts";

const MAGIC = 0x52_55_43_57; // "WCUR" when read as bytes.
const VERSION = 1;
const NAME_OFFSET = 24;
const CHECKSUM_BYTES = 4;
const NAME_PATTERN = /^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,63}$/;

export interface CursorRecord {
  readonly name: string;
  readonly ackedLsn: number;
  readonly writtenAtMs: number;
}

export type CursorFileResult =
  | { readonly kind: "valid"; readonly cursor: CursorRecord }
  | { readonly kind: "unsupported-version"; readonly version: number }
  | { readonly kind: "invalid" };

/** True for 1 to 64 characters of `a-z A-Z 0-9 . _ -` that do not begin with a dot. */
export function isCursorName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

export function encodeCursorFile(cursor: CursorRecord): Uint8Array {
  const name = new TextEncoder().encode(cursor.name);
  const bytes = new Uint8Array(NAME_OFFSET + name.byteLength + CHECKSUM_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, name.byteLength, true);
  writeU64(view, 8, cursor.ackedLsn);
  writeU64(view, 16, cursor.writtenAtMs);
  bytes.set(name, NAME_OFFSET);
  const checksumOffset = NAME_OFFSET + name.byteLength;
  view.setUint32(checksumOffset, checksum(bytes.subarray(0, checksumOffset)), true);
  return bytes;
}

/** Never throws. */
export function decodeCursorFile(bytes: Uint8Array): CursorFileResult {
  if (bytes.byteLength < NAME_OFFSET + CHECKSUM_BYTES) return { kind: "invalid" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const checksumOffset = bytes.byteLength - CHECKSUM_BYTES;
  const expected = checksum(bytes.subarray(0, checksumOffset));
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(checksumOffset, true) !== expected) {
    return { kind: "invalid" };
  }
  const version = view.getUint16(4, true);
  if (version !== VERSION) return { kind: "unsupported-version", version };
  const ackedLsn = readU64(view, 8);
  const writtenAtMs = readU64(view, 16);
  if (ackedLsn === undefined || writtenAtMs === undefined) return { kind: "invalid" };
  if (view.getUint16(6, true) !== checksumOffset - NAME_OFFSET) return { kind: "invalid" };
  const name = new TextDecoder().decode(bytes.subarray(NAME_OFFSET, checksumOffset));
  return isCursorName(name)
    ? { kind: "valid", cursor: { name, ackedLsn, writtenAtMs } }
    : { kind: "invalid" };
}
