/**
 * Escapes of line protocol: what the bytes of a name or value stand for.
 *
 * A backslash disappears only before a byte that it escapes in that place; anywhere else it is data. So two
 * different spellings never mean the same name, except inside quoted strings (`\\` and a lone `\`).
 */
import { decodeUtf8 } from "./utf8-text.ts";

const BACKSLASH = 0x5c;

/** Where a name or value stands, which decides what a backslash escapes there. */
export type EscapeContext = "measurement" | "name" | "string";

/** Bytes that a backslash escapes: `,` and space; also `=`; `"` and `\`. */
const ESCAPED_BYTES: Readonly<Record<EscapeContext, readonly number[]>> = {
  measurement: [0x2c, 0x20],
  name: [0x2c, 0x20, 0x3d],
  string: [0x22, BACKSLASH],
};

/** The text of `body[start, end)` with escapes resolved; `undefined` when it is not valid UTF-8. */
export function unescapeText(
  body: Buffer,
  range: { readonly start: number; readonly end: number },
  context: EscapeContext,
): string | undefined {
  const { start, end } = range;
  // Not `indexOf`, which would search the rest of the body for every name without a backslash.
  let backslashAt = start;
  while (backslashAt < end && body[backslashAt] !== BACKSLASH) backslashAt++;
  if (backslashAt === end) return decodeUtf8(body, start, end);
  const escaped = ESCAPED_BYTES[context];
  const plain = Buffer.alloc(end - start);
  let length = 0;
  for (let at = start; at < end; at++) {
    const isEscape =
      body[at] === BACKSLASH && at + 1 < end && escaped.includes(body[at + 1] as number);
    if (isEscape) at++;
    plain[length++] = body[at] as number;
  }
  return decodeUtf8(plain, 0, length);
}
