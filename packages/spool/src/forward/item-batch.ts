/**
 * Items that go upstream in one request, and the body that they make. Pure.
 *
 * Items of text with the same attributes are joined by line ends; anything else goes alone, because nobody here knows how it would be
 * joined. The body depends on the items alone: the same range makes the same request after a restart.
 */
import type { StoredItem } from "../item-reader.ts";
import type { ItemAttributes } from "../item-record.ts";
import type { ItemRange } from "./ship-journal.ts";

/** One request's items. */
export interface ItemBatch extends ItemRange {
  readonly items: readonly StoredItem[];
  readonly payloadBytes: number;
  readonly attributes: ItemAttributes;
  /** Some of the claimed items were dropped meanwhile: the body is not the one that may have been sent. */
  readonly isCut: boolean;
}

/** Attribute with the media type of an item; without it an item is text. */
export const TYPE_ATTRIBUTE = "type";

const JOINABLE = /^(text\/plain|application\/line-protocol|application\/x-ndjson)\b/i;
const LINE_END = 0x0a;

/** True when two items can be in one body. */
export function canJoin(a: ItemAttributes, b: ItemAttributes): boolean {
  const type = a[TYPE_ATTRIBUTE];
  if (type !== undefined && !JOINABLE.test(type)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** A batch of items in order; at least one. */
export function batchOf(items: readonly StoredItem[], claim?: ItemRange): ItemBatch | undefined {
  const [first] = items;
  const last = items.at(-1);
  if (first === undefined || last === undefined) return undefined;
  return {
    firstLsn: claim?.firstLsn ?? first.lsn,
    lastLsn: claim?.lastLsn ?? last.lsn,
    items,
    payloadBytes: items.reduce((sum, { payload }) => sum + payload.byteLength, 0),
    attributes: first.attributes,
    isCut: claim !== undefined && first.lsn !== claim.firstLsn,
  };
}

/** The body: payloads, each ending its line where another one follows. */
export function bodyOf({ items, payloadBytes }: ItemBatch): Uint8Array {
  const [only] = items;
  if (items.length === 1 && only !== undefined) return only.payload;
  const body = new Uint8Array(payloadBytes + items.length);
  let at = 0;
  for (const { payload } of items) {
    if (at > 0 && body[at - 1] !== LINE_END) body[at++] = LINE_END;
    body.set(payload, at);
    at += payload.byteLength;
  }
  return body.subarray(0, at);
}
