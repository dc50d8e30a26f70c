/**
 * UTF-8 bytes to strings, strictly, and bytes to text that is safe to print.
 *
 * Invalid UTF-8 is an expected outcome (`undefined`), never replaced by U+FFFD: a replaced byte is lost data.
 */
import { TextDecoder } from "node:util";

// A byte order mark inside a value is data, so it must not be dropped.
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes `bytes[start, end)`; `undefined` when it is not valid UTF-8. */
export function decodeUtf8(bytes: Buffer, start: number, end: number): string | undefined {
  let union = 0;
  for (let at = start; at < end; at++) union |= bytes[at] as number;
  if (union < 0x80) return bytes.toString("latin1", start, end);
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** The same memory as a `Buffer`, whose slices become strings without an intermediate view. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * An excerpt for error messages: printable ASCII as it is, everything else as `\n`, `\r`, `\t` or `\xNN`,
 * at most `maxChars` characters, with `...` where it was cut.
 */
export function printableExcerpt(
  bytes: Uint8Array,
  range: { readonly start: number; readonly end: number; readonly maxChars: number },
): string {
  const end = Math.min(range.end, bytes.length);
  let text = "";
  // The longest part that leaves room for the dots, cut between escapes.
  let head = "";
  for (let at = Math.max(0, range.start); at < end; at++) {
    text += printableByte(bytes[at] as number);
    if (text.length > range.maxChars) return `${head}...`;
    if (text.length <= range.maxChars - 3) head = text;
  }
  return text;
}

function printableByte(byte: number): string {
  if (byte === 0x0a) return "\\n";
  if (byte === 0x0d) return "\\r";
  if (byte === 0x09) return "\\t";
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
