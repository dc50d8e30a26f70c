/**
 * Field values of line protocol by their spelling: float, integer (`i`), unsigned (`u`), boolean, quoted string.
 *
 * Only what new columns and error messages need; known columns are read by type in line-row-reader.ts.
 */
import { NO_FLOAT, readFloat } from "./decimal-float.ts";
import type { ColumnType } from "./table-batch.ts";

const QUOTE = 0x22;

/** The type that a field value has by its spelling; `undefined` when it is none. The range is not checked. */
export function fieldValueType(
  bytes: Buffer,
  start: number,
  end: number,
): Exclude<ColumnType, "tag"> | undefined {
  if (bytes[start] === QUOTE) return "string";
  if (parseBoolean(bytes, start, end) !== undefined) return "boolean";
  const last = bytes[end - 1];
  const isInteger = last === 0x69;
  const isUnsigned = last === 0x75;
  if (isInteger || isUnsigned) {
    let at = isInteger && bytes[start] === 0x2d ? start + 1 : start;
    if (at === end - 1) return undefined;
    while (at < end - 1 && isDigit(bytes[at] as number)) at++;
    if (at < end - 1) return undefined;
    return isInteger ? "integer" : "unsigned";
  }
  return isFloatText(bytes, start, end) ? "float" : undefined;
}

function isFloatText(bytes: Buffer, start: number, end: number): boolean {
  const probe = new Float64Array(1);
  const stop = readFloat(bytes, start, probe, 0);
  if (stop !== NO_FLOAT) return stop === end;
  // Well-formed but too large is a float out of range, which is a better message than "not a number".
  return /^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(bytes.toString("latin1", start, end));
}

/** 1, 0 or `undefined`: t T true True TRUE, f F false False FALSE. */
export function parseBoolean(bytes: Buffer, start: number, end: number): 0 | 1 | undefined {
  switch (end - start) {
    case 1: {
      const byte = bytes[start];
      if (byte === 0x74 || byte === 0x54) return 1;
      return byte === 0x66 || byte === 0x46 ? 0 : undefined;
    }
    case 4: {
      const text = bytes.toString("latin1", start, end);
      return text === "true" || text === "True" || text === "TRUE" ? 1 : undefined;
    }
    case 5: {
      const text = bytes.toString("latin1", start, end);
      return text === "false" || text === "False" || text === "FALSE" ? 0 : undefined;
    }
    default:
      return undefined;
  }
}

export function isDigit(byte: number): boolean {
  return (byte - 0x30) >>> 0 <= 9;
}
