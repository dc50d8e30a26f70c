/**
 * Payloads that say what they are: whoever reads one can tell whether it is whole, and which append it belongs to.
 */
import { createHash } from "node:crypto";

/** Which append of which process a record belongs to, and its place in the batch. */
export interface PayloadIdentity {
  readonly cycle: number;
  readonly writer: number;
  readonly count: number;
  readonly index: number;
  readonly batchLength: number;
}

const FIELDS = 5;
const HEAD_BYTES = 4 * FIELDS;

/** The one payload of this identity; its length follows from the identity as well. */
export function payloadOf(identity: PayloadIdentity): Uint8Array {
  const { cycle, writer, count, index, batchLength } = identity;
  const head = Buffer.alloc(HEAD_BYTES);
  for (const [at, value] of [cycle, writer, count, index, batchLength].entries()) {
    head.writeUInt32LE(value, 4 * at);
  }
  const digest = createHash("sha256").update(head).digest();
  const lengthBytes = digest.readUInt16LE(0) % 1500;
  const body = Buffer.alloc(lengthBytes, digest);
  return Uint8Array.from(Buffer.concat([head, body]));
}

/** What a payload says it is; throws when a single byte is not as it was made. */
export function identityOf(payload: Uint8Array): PayloadIdentity {
  const head = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const field = (at: number): number => head.readUInt32LE(4 * at);
  const identity: PayloadIdentity = {
    cycle: field(0),
    writer: field(1),
    count: field(2),
    index: field(3),
    batchLength: field(4),
  };
  if (Buffer.compare(payloadOf(identity), payload) !== 0) {
    throw new Error(`not the payload of ${JSON.stringify(identity)}`);
  }
  return identity;
}

/** The append a record belongs to, as a word. */
export function appendName({ cycle, writer, count }: PayloadIdentity): string {
  return `${cycle}/${writer}/${count}`;
}
