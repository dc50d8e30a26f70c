/**
 * What the two directions of batch-codec.ts and table-extent.ts must agree on: type codes, flags and lengths.
 */
import type { ColumnType } from "./table-batch.ts";

/** Bytes of the headers of a record, a table and a column. */
export const INGEST_HEADER_BYTES = 16;

/** Flag of a column with a validity bitmap. */
export const HAS_VALIDITY = 1;

/** First byte of a column. */
export const TYPE_CODES: Readonly<Record<ColumnType, number>> = {
  tag: 1,
  string: 2,
  float: 3,
  integer: 4,
  unsigned: 5,
  boolean: 6,
};
/** The other way round. */
export const TYPES_BY_CODE: ReadonlyMap<number, ColumnType> = new Map([
  [1, "tag"],
  [2, "string"],
  [3, "float"],
  [4, "integer"],
  [5, "unsigned"],
  [6, "boolean"],
]);

/** Bytes of the validity bitmap of so many rows. */
export function validityBytes(rowCount: number): number {
  return (rowCount + 7) >>> 3;
}
