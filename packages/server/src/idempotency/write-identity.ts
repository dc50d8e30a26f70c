/**
 * Who a write request says it is, so that sending it twice stores it once; and that as bytes.
 *
 *     version u8 | zero u8×3 | nameBytes u32 | acceptedAtMs f64 | epoch f64 | seq f64 | digest u8×16 | name | pad
 *
 * A key is an identity whose epoch and seq are always 0: it is written once. A producer writes again and again
 * under one name, with a seq that advances. Little-endian, a multiple of 8 bytes. Specification:
 * docs/ingest-record-format.md. Pure.
 */
import { ServerError } from "../errors.ts";
import { asBuffer } from "../ingest/utf8-text.ts";

/** The identity of one write request. */
export interface WriteIdentity {
  /** `key:` or `producer:` and what the client sent: visible ASCII. Unique in the server. */
  readonly name: string;
  /** Generation of a producer: an older one is refused. 0 for a key. */
  readonly epoch: number;
  /** Number of the write within its epoch. 0 for a key. */
  readonly seq: number;
  /** Hash of what was asked for, target and body: 32 hexadecimal digits. */
  readonly digest: string;
  /** Wall clock when the server took the request, in milliseconds since 1970. */
  readonly acceptedAtMs: number;
}

/** Longest name: a prefix and the 255 characters that a client may send. */
export const MAX_NAME_BYTES = 264;

const VERSION = 1;
const HEADER_BYTES = 48;
const DIGEST_AT = 32;
const DIGEST_BYTES = 16;

/** Bytes of an identity's encoding. */
export function identityBytes(identity: WriteIdentity): number {
  return Math.ceil((HEADER_BYTES + identity.name.length) / 8) * 8;
}

/** Encodes into `target` from `offset` on; {@link identityBytes} of room are there. */
export function writeIdentity(target: Uint8Array, offset: number, identity: WriteIdentity): void {
  const bytes = asBuffer(target).subarray(offset, offset + identityBytes(identity));
  bytes.fill(0);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt32LE(identity.name.length, 4);
  bytes.writeDoubleLE(identity.acceptedAtMs, 8);
  bytes.writeDoubleLE(identity.epoch, 16);
  bytes.writeDoubleLE(identity.seq, 24);
  bytes.write(identity.digest, DIGEST_AT, DIGEST_BYTES, "hex");
  bytes.write(identity.name, HEADER_BYTES, "latin1");
}

/**
 * Decodes the identity at `offset`.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT`, and nothing else, whatever the bytes are
 */
export function readIdentity(source: Uint8Array, offset: number): WriteIdentity {
  const bytes = asBuffer(source).subarray(offset);
  if (bytes.length < HEADER_BYTES) throw damaged(offset, "it is cut");
  if (bytes.readUInt32LE(0) !== VERSION) throw damaged(offset, "its version is unknown");
  const nameBytes = bytes.readUInt32LE(4);
  const identity: WriteIdentity = {
    name: bytes.toString(
      "latin1",
      HEADER_BYTES,
      HEADER_BYTES + Math.min(nameBytes, MAX_NAME_BYTES),
    ),
    acceptedAtMs: bytes.readDoubleLE(8),
    epoch: bytes.readDoubleLE(16),
    seq: bytes.readDoubleLE(24),
    digest: bytes.toString("hex", DIGEST_AT, DIGEST_AT + DIGEST_BYTES),
  };
  const { name, acceptedAtMs, epoch, seq } = identity;
  if (name.length !== nameBytes || !/^[!-~]+$/.test(name)) throw damaged(offset, "bad name");
  for (const number of [acceptedAtMs, epoch, seq]) {
    if (!Number.isSafeInteger(number) || Object.is(number, -0)) throw damaged(offset, "bad number");
  }
  const end = identityBytes(identity);
  if (bytes.length < end) throw damaged(offset, "it is cut");
  if (bytes.subarray(HEADER_BYTES + nameBytes, end).some((byte) => byte !== 0)) {
    throw damaged(offset, "padding is not zero");
  }
  return identity;
}

function damaged(offsetBytes: number, reason: string): ServerError {
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `the identity of a write at byte ${offsetBytes} of its record is damaged: ${reason}`,
    { details: { offsetBytes, reason } },
  );
}
