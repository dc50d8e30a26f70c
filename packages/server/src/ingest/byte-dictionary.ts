/**
 * A dictionary keyed by bytes: every distinct value gets a code (0, 1, 2, ...) and becomes one string.
 *
 * Values are looked up as slices of the request body, which the dictionary refers to instead of copying, so
 * a known value costs no allocation. The caller must not change the body until the batch is built.
 *
 * The hash is not keyed, so a client can make values collide. A lookup that probes too far therefore moves
 * the whole dictionary to a `Map` of strings, whose hash the runtime seeds: slower, never quadratic.
 */
import { decodeUtf8 } from "./utf8-text.ts";

/** Returned instead of a code when the bytes are not valid UTF-8. */
export const INVALID_UTF8 = -1;
/** Returned instead of a code when the value is longer than the dictionary accepts. */
export const VALUE_TOO_LONG = -2;

const HASH_PRIME = 0x01000193;
/** Small enough that both arrays live on the heap (64 bytes), where making them is cheap. */
const INITIAL_SLOTS = 16;
const INITIAL_ENTRIES = 5;
/** Probes after which the hash is considered under attack; at half load a fair hash stays far below. */
const MAX_PROBES = 96;

/** Hash of `bytes[start, end)`; callers that scan the bytes anyway may compute the same with {@link hashByte}. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++) hash = hashByte(hash, bytes[at] as number);
  return hash;
}

/** One step of {@link hashBytes}; starts at 0. */
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, HASH_PRIME);
}

export class ByteDictionary {
  /** Distinct values by code. */
  readonly values: string[] = [];
  /** UTF-8 bytes of all distinct values. */
  valueBytes = 0;

  readonly #bytes: Buffer;
  readonly #maxValueBytes: number;
  /** Code + 1 by slot, 0 where free. The length is a power of two. */
  #slots: Int32Array = new Int32Array(INITIAL_SLOTS);
  #mask: number = INITIAL_SLOTS - 1;
  /** Start, end and hash of the bytes of each code; codes added as text have start −1. */
  #entries: Int32Array = new Int32Array(INITIAL_ENTRIES * 3);
  /** Codes of values that were added as text, and of all values once the hash has been given up. */
  #texts: Map<string, number> | undefined;
  #isHashing = true;

  constructor(bytes: Buffer, limits: { readonly maxValueBytes: number }) {
    this.#bytes = bytes;
    this.#maxValueBytes = limits.maxValueBytes;
  }

  /** Code of `bytes[start, end)`, added if new; {@link INVALID_UTF8} or {@link VALUE_TOO_LONG}. */
  encode(start: number, end: number, hash: number): number {
    if (!this.#isHashing) return this.#encodeAsText(start, end);
    const bytes = this.#bytes;
    const slots = this.#slots;
    const entries = this.#entries;
    const mask = this.#mask;
    const length = end - start;
    let slot = slotOf(hash, mask);
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const code = (slots[slot] as number) - 1;
      if (code < 0) return this.#add(start, end, hash, slot);
      const entry = code * 3;
      if (entries[entry + 2] === hash) {
        const known = entries[entry] as number;
        if ((entries[entry + 1] as number) - known === length) {
          let at = 0;
          while (at < length && bytes[known + at] === bytes[start + at]) at++;
          if (at === length) return code;
        }
      }
      slot = (slot + 1) & mask;
    }
    this.#giveUpHashing();
    return this.#encodeAsText(start, end);
  }

  /**
   * Code of a value that is not a slice of the body, such as one with escapes resolved. The caller knows
   * that the same value cannot also arrive through {@link encode}.
   */
  encodeText(value: string): number {
    this.#texts ??= new Map();
    const known = this.#texts.get(value);
    if (known !== undefined) return known;
    const byteLength = Buffer.byteLength(value);
    if (byteLength > this.#maxValueBytes) return VALUE_TOO_LONG;
    const code = this.values.length;
    this.valueBytes += byteLength;
    this.#reserveEntry(code);
    this.#entries[code * 3] = -1;
    this.values.push(value);
    this.#texts.set(value, code);
    return code;
  }

  /** Code of any value; for the rare texts that are not in the body but may be equal to one that is. */
  encodeAnyText(value: string): number {
    if (this.#isHashing) this.#giveUpHashing();
    return this.encodeText(value);
  }

  #add(start: number, end: number, hash: number, slot: number): number {
    if (end - start > this.#maxValueBytes) return VALUE_TOO_LONG;
    const value = decodeUtf8(this.#bytes, start, end);
    if (value === undefined) return INVALID_UTF8;
    const code = this.values.length;
    this.valueBytes += end - start;
    this.#reserveEntry(code);
    const entry = code * 3;
    this.#entries[entry] = start;
    this.#entries[entry + 1] = end;
    this.#entries[entry + 2] = hash;
    this.#slots[slot] = code + 1;
    this.values.push(value);
    if ((code + 1) * 2 > this.#slots.length) this.#rehash();
    return code;
  }

  #reserveEntry(code: number): void {
    if ((code + 1) * 3 <= this.#entries.length) return;
    const grown = new Int32Array(this.#entries.length * 2);
    grown.set(this.#entries);
    this.#entries = grown;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 4);
    const mask = slots.length - 1;
    for (let code = 0; code < this.values.length; code++) {
      if ((this.#entries[code * 3] as number) < 0) continue;
      let slot = slotOf(this.#entries[code * 3 + 2] as number, mask);
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = code + 1;
    }
    this.#slots = slots;
    this.#mask = mask;
  }

  #giveUpHashing(): void {
    this.#isHashing = false;
    this.#texts = new Map(this.values.map((value, code) => [value, code]));
  }

  #encodeAsText(start: number, end: number): number {
    const value = decodeUtf8(this.#bytes, start, end);
    return value === undefined ? INVALID_UTF8 : this.encodeText(value);
  }
}

/** Multiplicative hashes are best in their high bits; folding them in lets the mask use the low ones. */
function slotOf(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask;
}
