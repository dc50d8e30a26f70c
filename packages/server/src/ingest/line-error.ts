/**
 * Errors of line protocol: where exactly (line, byte), what was found, what was expected.
 *
 * Everything is computed when the error is raised, so that reading valid lines keeps no books.
 */
import { ServerError, type ServerErrorCode } from "../errors.ts";
import { printableExcerpt } from "./utf8-text.ts";

const MAX_EXCERPT_CHARS = 80;
const NEWLINE = 0x0a;

/** Where a line goes wrong and why. */
export interface LineFault {
  readonly code?: ServerErrorCode;
  /** First byte of the line, in the body. */
  readonly lineStart: number;
  /** First offending byte, in the body. */
  readonly at: number;
  /** End of the offending bytes; by default they end where the next comma, space or newline is. */
  readonly end?: number;
  /** A sentence without a full stop. */
  readonly reason: string;
  /** Further details of the error, such as the column. */
  readonly details?: Readonly<Record<string, string | number>>;
}

/** The error of a bad line, with details `line` (from 1), `offsetBytes` (from 0), `reason` and `text`. */
export function lineError(body: Uint8Array, fault: LineFault): ServerError {
  const line = lineNumberAt(body, fault.lineStart);
  const text = printableExcerpt(body, {
    start: fault.at,
    end: fault.end ?? tokenEnd(body, fault.at),
    maxChars: MAX_EXCERPT_CHARS,
  });
  const found = text === "" ? "" : `, found '${text}'`;
  return new ServerError(
    fault.code ?? "SERVER_INVALID_LINE",
    `line ${line}, byte ${fault.at - fault.lineStart + 1}: ${fault.reason}${found}; nothing of the request was stored`,
    { details: { line, offsetBytes: fault.at, reason: fault.reason, text, ...fault.details } },
  );
}

/** Number of the line that starts at `lineStart`, counting every newline, also those inside strings. */
function lineNumberAt(body: Uint8Array, lineStart: number): number {
  let line = 1;
  for (
    let at = body.indexOf(NEWLINE);
    at >= 0 && at < lineStart;
    at = body.indexOf(NEWLINE, at + 1)
  ) {
    line++;
  }
  return line;
}

/** End of the word at `start`; at least one byte long, so that a stray comma or space is shown. */
function tokenEnd(body: Uint8Array, start: number): number {
  let end = start;
  while (end < body.length && !isDelimiter(body[end] as number)) end++;
  return end > start ? end : Math.min(start + 1, body.length);
}

function isDelimiter(byte: number): boolean {
  return byte === 0x2c || byte === 0x20 || byte === NEWLINE || byte === 0x0d;
}
