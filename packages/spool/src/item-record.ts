/**
 * One item as the payload of a log record: when it was put, what its producer said about it, its bytes.
 *
 *     0         1       2                4            12
 *     +---------+-------+----------------+------------+--------------+-----------
 *     | version | zero  | attributeBytes | putAtMs f64| attributes   | payload …
 *     +---------+-------+----------------+------------+--------------+-----------
 *
 * Little-endian; attributes are a JSON object of texts in UTF-8, or nothing. Pure.
 */
import { SpoolError } from "./errors.ts";

/** What a producer says about an item, such as its content type. */
export type ItemAttributes = Readonly<Record<string, string>>;

/** An item without its place. */
export interface ItemContent {
  readonly payload: Uint8Array;
  readonly attributes: ItemAttributes;
  /** Wall clock when it was put, in milliseconds since 1970. */
  readonly putAtMs: number;
}

/** Bytes that a record has beside attributes and payload. */
export const ITEM_HEADER_BYTES = 12;
/** Longest JSON of attributes. */
export const MAX_ATTRIBUTE_BYTES = 0xff_ff;

const VERSION = 1;
const NO_ATTRIBUTES: ItemAttributes = Object.freeze({});

/**
 * Encodes an item.
 *
 * @throws {SpoolError} `SPOOL_ITEM_TOO_LARGE` when the attributes are too long
 */
export function encodeItem({ payload, attributes, putAtMs }: ItemContent): Uint8Array {
  const isPlain = Object.keys(attributes).length === 0;
  const text = isPlain ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(attributes));
  if (text.byteLength > MAX_ATTRIBUTE_BYTES) {
    throw new SpoolError(
      "SPOOL_ITEM_TOO_LARGE",
      `the attributes of an item take ${text.byteLength} bytes, at most ${MAX_ATTRIBUTE_BYTES}`,
      { details: { bytes: text.byteLength, maxBytes: MAX_ATTRIBUTE_BYTES } },
    );
  }
  const record = new Uint8Array(ITEM_HEADER_BYTES + text.byteLength + payload.byteLength);
  const view = new DataView(record.buffer);
  view.setUint8(0, VERSION);
  view.setUint16(2, text.byteLength, true);
  view.setFloat64(4, putAtMs, true);
  record.set(text, ITEM_HEADER_BYTES);
  record.set(payload, ITEM_HEADER_BYTES + text.byteLength);
  return record;
}

/**
 * Decodes a record; the payload is a view on it.
 *
 * @throws {SpoolError} `SPOOL_CORRUPT`, and nothing else, whatever the bytes are
 */
export function decodeItem(record: Uint8Array): ItemContent {
  if (record.byteLength < ITEM_HEADER_BYTES) throw corrupt("it is cut");
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  if (view.getUint16(0, true) !== VERSION) throw corrupt("its version is unknown");
  const payloadAt = ITEM_HEADER_BYTES + view.getUint16(2, true);
  if (record.byteLength < payloadAt) throw corrupt("it is cut");
  return {
    payload: record.subarray(payloadAt),
    attributes: decodeAttributes(record.subarray(ITEM_HEADER_BYTES, payloadAt)),
    putAtMs: view.getFloat64(4, true),
  };
}

function decodeAttributes(bytes: Uint8Array): ItemAttributes {
  if (bytes.byteLength === 0) return NO_ATTRIBUTES;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw corrupt("its attributes are no JSON", error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw corrupt("its attributes are no object");
  }
  const entries = Object.entries(value);
  if (entries.some(([, text]) => typeof text !== "string"))
    throw corrupt("an attribute is no text");
  return Object.fromEntries(entries);
}

function corrupt(reason: string, cause?: unknown): SpoolError {
  return new SpoolError("SPOOL_CORRUPT", `the record of an item is damaged: ${reason}`, {
    details: { reason },
    cause,
  });
}
