/**
 * Line protocol cut into batches of whole lines, the same ones every time, however the bytes arrive.
 *
 * Where a line ends is all that is understood of it: a quoted string may hold line feeds. Whether it is right is for
 * the server to say. Pure.
 */

/** A piece of a file that is sent as one request. */
export interface Batch {
  /** Line protocol. */
  readonly body: Uint8Array;
  /** Where it begins: the number of its first line or row, from 1. */
  readonly position: number;
  /** Lines that are neither empty nor comments. */
  readonly rows: number;
}

/** Bounds of a batch. A single line may be longer. */
export interface BatchLimits {
  readonly rows: number;
  readonly bytes: number;
}

export const DEFAULT_BATCH_LIMITS: BatchLimits = { rows: 5_000, bytes: 1_048_576 };

const NEWLINE = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const TAB = 0x09;
const CARRIAGE_RETURN = 0x0d;

/** Where in a line the next byte is. */
type Place = "start" | "comment" | "name" | "fields" | "value" | "text";

/** Cuts one file. */
export class LineBatcher {
  readonly #limits: BatchLimits;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #lines = 0;
  #batchLines = 0;
  #rows = 0;
  #place: Place = "start";
  #isEscaped = false;

  constructor(limits: BatchLimits = DEFAULT_BATCH_LIMITS) {
    this.#limits = limits;
  }

  /** More bytes of the file, and the batches that they complete. */
  *push(bytes: Uint8Array): Generator<Batch> {
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      if (!this.#step(bytes[at] as number)) continue;
      this.#batchLines++;
      const size = this.#pendingBytes + at + 1 - from;
      if (this.#batchLines < this.#limits.rows && size < this.#limits.bytes) continue;
      this.#keep(bytes.subarray(from, at + 1));
      from = at + 1;
      yield this.#cut();
    }
    this.#keep(bytes.subarray(from));
  }

  /** What is left at the end of the file. */
  *end(): Generator<Batch> {
    if (this.#pendingBytes > 0) yield this.#cut();
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes.slice());
    this.#pendingBytes += bytes.length;
  }

  #cut(): Batch {
    const body = Buffer.concat(this.#pending);
    const batch = { body, position: this.#lines + 1, rows: this.#rows };
    this.#lines += this.#batchLines;
    this.#batchLines = 0;
    this.#rows = 0;
    this.#pending = [];
    this.#pendingBytes = 0;
    return batch;
  }

  /** @returns true when the byte ends a line */
  #step(byte: number): boolean {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      if (this.#place === "text" || byte === COMMA || byte === SPACE || byte === EQUALS) {
        return false;
      }
    }
    if (byte === NEWLINE && this.#place !== "text") {
      this.#place = "start";
      return true;
    }
    switch (this.#place) {
      case "start":
        if (byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN) break;
        this.#place = byte === HASH ? "comment" : "name";
        if (byte !== HASH) this.#rows++;
        this.#isEscaped = byte === BACKSLASH;
        break;
      case "comment":
        break;
      case "name":
        if (byte === SPACE) this.#place = "fields";
        this.#isEscaped = byte === BACKSLASH;
        break;
      case "fields":
        if (byte === EQUALS) this.#place = "value";
        this.#isEscaped = byte === BACKSLASH;
        break;
      case "value":
        this.#place = byte === QUOTE ? "text" : "fields";
        break;
      case "text":
        if (byte === QUOTE) this.#place = "fields";
        this.#isEscaped = byte === BACKSLASH;
        break;
    }
    return false;
  }
}
