/**
 * Why a line of known shape could not be read: turns the place where reading stopped into an error that a
 * person can act on. Runs once per refused body, so it looks at everything again.
 */
import type { ColumnBuilder } from "./column-builder.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import type { ByteRange, LineBody } from "./line-body.ts";
import { unescapeText } from "./line-escapes.ts";
import { MARKS_PER_PART, type LineScanner } from "./line-scanner.ts";
import { fieldValueType, isDigit } from "./line-value.ts";

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const MINUS = 0x2d;

/** Reason of a field value that has no type. */
export const NOT_A_VALUE =
  "the field value is not a number, an integer with 'i' or 'u', a boolean or a quoted string";

/** Where reading stopped, in a line that `scanner` has just walked. */
export interface StoppedLine {
  readonly measurement: string;
  readonly stoppedAt: number;
  /** The column whose value could not be read; `undefined` after the last value. */
  readonly column: ColumnBuilder | undefined;
  readonly scanner: LineScanner;
  readonly limits: IngestLimits;
}

/**
 * Throws the error of the stopped line.
 *
 * @throws {ServerError} `SERVER_INVALID_LINE`, `SERVER_TYPE_CONFLICT`
 */
export function failStoppedLine(body: LineBody, line: StoppedLine): never {
  const { column, stoppedAt: start, measurement } = line;
  if (column === undefined) return failLineEnd(body, start);
  const value = { start, end: valueEnd(line.scanner, start) };
  if (column.type === "tag") return failText(body, { value, column, limits: line.limits });
  const found = fieldValueType(body.bytes, value.start, value.end);
  if (found === undefined) return body.fail({ at: start, end: value.end, reason: NOT_A_VALUE });
  if (found !== column.type) {
    const expected = column.type;
    return body.fail({
      code: "SERVER_TYPE_CONFLICT",
      at: start,
      end: value.end,
      reason: `field ${JSON.stringify(column.name)} of ${JSON.stringify(measurement)} is ${expected} in an earlier line and ${found} here`,
      details: { measurement, column: column.name, expected, found },
    });
  }
  if (found === "string") return failText(body, { value, column, limits: line.limits });
  return body.fail({
    at: start,
    end: value.end,
    reason: `the number is outside the range of ${RANGES[found]}`,
    details: { column: column.name },
  });
}

const RANGES = {
  float: "a finite 64-bit float",
  integer: "a signed 64-bit integer",
  unsigned: "an unsigned 64-bit integer",
  boolean: "a boolean",
} as const;

function valueEnd(scanner: LineScanner, start: number): number {
  const { marks, tagCount, fieldCount } = scanner;
  for (let mark = 0; mark < (tagCount + fieldCount) * MARKS_PER_PART; mark += MARKS_PER_PART) {
    if (marks[mark + 2] === start) return marks[mark + 3] ?? start;
  }
  return start;
}

/** A tag value or string of the right form with bytes that cannot be kept. */
function failText(
  body: LineBody,
  text: {
    readonly value: ByteRange;
    readonly column: ColumnBuilder;
    readonly limits: IngestLimits;
  },
): never {
  const { value, column, limits } = text;
  const isTag = column.type === "tag";
  const range = isTag ? value : { start: value.start + 1, end: value.end - 1 };
  const isValid = unescapeText(body.bytes, range, isTag ? "name" : "string") !== undefined;
  const what = isTag ? "the tag value" : "the string";
  const why = isValid ? `longer than ${limits.maxStringBytes} bytes` : "not valid UTF-8";
  return body.fail({
    at: value.start,
    end: value.end,
    reason: `${what} is ${why}`,
    details: isValid ? { column: column.name, limit: "maxStringBytes" } : { column: column.name },
  });
}

function failLineEnd(body: LineBody, at: number): never {
  const { bytes } = body;
  let end = at;
  while (!isBlank(bytes[end] as number)) end++;
  let digitsEnd = bytes[at] === MINUS ? at + 1 : at;
  const digitsStart = digitsEnd;
  while (isDigit(bytes[digitsEnd] as number)) digitsEnd++;
  const isInteger = digitsEnd > digitsStart && digitsEnd === end && bytes[at - 1] === SPACE;
  return body.fail({
    at,
    end: Math.max(end, at + 1),
    reason: isInteger
      ? "the timestamp is outside the range of signed 64-bit nanoseconds"
      : "expected an integer timestamp or the end of the line",
  });
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === NEWLINE || byte === CARRIAGE_RETURN;
}
