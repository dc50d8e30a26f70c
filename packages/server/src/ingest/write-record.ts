/**
 * The payload of a log record: a batch (batch-codec.ts), and behind it the identity of the request if it had one.
 *
 * Both are in one record, so a key is durable exactly when the rows are. Version 1 is a batch alone; version 2
 * differs in its first byte and in the identity that follows the batch. Pure.
 */
import { ServerError } from "../errors.ts";
import {
  identityBytes,
  readIdentity,
  writeIdentity,
  type WriteIdentity,
} from "../idempotency/write-identity.ts";
import { decodeIngestBatch, encodeIngestBatch, type DecodeOptions } from "./batch-codec.ts";
import { INGEST_HEADER_BYTES } from "./batch-format.ts";
import type { ReusedMemory } from "./reused-memory.ts";
import type { IngestBatch } from "./table-batch.ts";

/** First byte of a record that carries an identity. */
export const IDENTIFIED_RECORD_VERSION = 2;

/** Where the header of a batch has its length. */
const BATCH_BYTES_AT = 12;

/** What a record holds. */
export interface WriteRecord {
  readonly batch: IngestBatch;
  readonly identity: WriteIdentity | undefined;
}

/**
 * Encodes a record. The result is only good until the memory is taken again.
 *
 * @throws {ServerError} `SERVER_TOO_LARGE` when the record would be 4 GiB or more
 */
export function encodeWriteRecord(
  { batch, identity }: WriteRecord,
  memory: ReusedMemory,
): Uint8Array {
  if (identity === undefined) return encodeIngestBatch(batch, memory);
  let record: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  const batchBytes = encodeIngestBatch(batch, {
    take(bytes) {
      record = memory.take(bytes + identityBytes(identity));
      return record.subarray(0, bytes);
    },
  }).byteLength;
  record[0] = IDENTIFIED_RECORD_VERSION;
  writeIdentity(record, batchBytes, identity);
  return record;
}

/**
 * Decodes a record. Arrays of the batch are views of `bytes` when those are aligned and not lent, so `bytes` must not
 * change while the batch is in use.
 *
 * @param options - whether the bytes are lent, see {@link DecodeOptions}
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT`, and nothing else, whatever the bytes are
 */
export function decodeWriteRecord(
  bytes: Uint8Array,
  options: Pick<DecodeOptions, "isLent"> = {},
): WriteRecord {
  if (bytes[0] !== IDENTIFIED_RECORD_VERSION) {
    return { batch: decodeIngestBatch(bytes, options), identity: undefined };
  }
  const batchBytes = lengthOfBatch(bytes);
  const identity = readIdentity(bytes, batchBytes);
  if (batchBytes + identityBytes(identity) !== bytes.length) {
    throw new ServerError("SERVER_STORAGE_CORRUPT", "bytes after the identity of a write", {
      details: { recordBytes: bytes.length },
    });
  }
  const batch = decodeIngestBatch(bytes.subarray(0, batchBytes), {
    ...options,
    version: IDENTIFIED_RECORD_VERSION,
  });
  return { batch, identity };
}

/**
 * The identity of a record alone, without a look at its rows.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT`
 */
export function readRecordIdentity(bytes: Uint8Array): WriteIdentity | undefined {
  if (bytes[0] !== IDENTIFIED_RECORD_VERSION) return undefined;
  return readIdentity(bytes, lengthOfBatch(bytes));
}

/** Bytes of the batch, as its header says; never beyond the record. */
function lengthOfBatch(bytes: Uint8Array): number {
  if (bytes.length < INGEST_HEADER_BYTES) return bytes.length;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Math.min(view.getUint32(BATCH_BYTES_AT, true), bytes.length);
}
