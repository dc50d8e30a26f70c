/**
 * The body of a line protocol request and the line that is being decoded, shared by the parts of the decoder.
 */
import { lineError, type LineFault } from "./line-error.ts";
import { asBuffer } from "./utf8-text.ts";

const NEWLINE = 0x0a;

/** A range of bytes in the body. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export class LineBody {
  /** The body, always ending with a newline, so that loops over a line need no bounds check. */
  readonly bytes: Buffer;
  /** First byte of the current line. */
  lineStart = 0;

  constructor(body: Uint8Array) {
    this.bytes = terminated(body);
  }

  /** Throws the error of the current line. */
  fail(fault: Omit<LineFault, "lineStart">): never {
    throw lineError(this.bytes, { lineStart: this.lineStart, ...fault });
  }
}

/** The body itself when it ends with a newline, else a copy that does. */
function terminated(body: Uint8Array): Buffer {
  if (body.length === 0 || body[body.length - 1] === NEWLINE) return asBuffer(body);
  const copy = Buffer.alloc(body.length + 1);
  copy.set(body);
  copy[body.length] = NEWLINE;
  return copy;
}
