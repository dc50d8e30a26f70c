/**
 * Splits rows by the UTC hour of their time and puts each hour in time order.
 *
 * Rows with equal times keep their order of arrival. The work is done on the two 32-bit halves of each
 * timestamp, as plain numbers: differences inside an hour are below 2^42 ns and exact, and no bigint is
 * made per row.
 * Pure. Times before 1970 belong to the hour that contains them: hours are floors, not truncations.
 */
import type { Column } from "../ingest/table-batch.ts";
import { gatherBits } from "./bitmap.ts";
import type { RowSet } from "./row-buffer.ts";
import { timeOrder } from "./time-order.ts";

const HOUR_NS = 3_600_000_000_000;
const TWO_POW_32 = 4_294_967_296;

/** An hour that occurs in rows. */
export interface HourFacts {
  readonly hourStartNs: bigint;
  readonly minTimeNs: bigint;
  readonly maxTimeNs: bigint;
  readonly rowCount: number;
}

/** Rows of one hour: which of the source rows, in time order. */
export interface HourPartition extends HourFacts {
  /** Row numbers in time order, or `undefined` when these are all rows as they stand. */
  readonly rows: Uint32Array | undefined;
}

/** Hours that occur in `timestamps`, oldest first. */
export function partitionByHour(timestamps: BigInt64Array): readonly HourPartition[] {
  const [first] = timestamps;
  if (first === undefined) return [];
  const firstHourNs = hourOf(first);
  if (isWithinHour(timestamps, firstHourNs)) {
    return [orderByTime(firstHourNs, timestamps, undefined)];
  }
  const partitions = collectHours(timestamps).map((hour) =>
    orderByTime(hour.startNs, timestamps, hour.rows()),
  );
  return partitions.sort((a, b) => (a.hourStartNs < b.hourStartNs ? -1 : 1));
}

/** The rows of one partition as columns of their own. */
export function gatherPartition(source: RowSet, partition: HourPartition): RowSet {
  const rows = partition.rows;
  if (rows === undefined) return source;
  return {
    rowCount: rows.length,
    timestamps: new BigInt64Array(gatherWide(source.timestamps, rows)),
    columns: source.columns.map((column) => gatherColumn(column, rows)),
  };
}

/** The UTC hour that contains a time. */
export function hourOf(timeNs: bigint): bigint {
  const hourNs = BigInt(HOUR_NS);
  const remainder = timeNs % hourNs;
  return timeNs - (remainder < 0n ? remainder + hourNs : remainder);
}

/** Row numbers of one hour, collected in order of arrival. */
class HourRows {
  readonly startNs: bigint;
  readonly startHigh: number;
  readonly startLow: number;
  #rows = new Uint32Array(64);
  #count = 0;

  constructor(startNs: bigint) {
    this.startNs = startNs;
    this.startHigh = Number(startNs >> 32n);
    this.startLow = Number(startNs & 0xffff_ffffn);
  }

  push(row: number): void {
    if (this.#count === this.#rows.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#rows);
      this.#rows = grown;
    }
    this.#rows[this.#count++] = row;
  }

  rows(): Uint32Array {
    return this.#rows.subarray(0, this.#count);
  }
}

/** The usual case, found out without collecting anything. */
function isWithinHour(timestamps: BigInt64Array, startNs: bigint): boolean {
  const { high, low } = halves(timestamps);
  const startHigh = Number(startNs >> 32n);
  const startLow = Number(startNs & 0xffff_ffffn);
  for (let word = 0; word < timestamps.length * 2; word += 2) {
    const since =
      ((high[word] as number) - startHigh) * TWO_POW_32 + ((low[word] as number) - startLow);
    if (since < 0 || since >= HOUR_NS) return false;
  }
  return true;
}

function collectHours(timestamps: BigInt64Array): readonly HourRows[] {
  const { high, low } = halves(timestamps);
  const byStart = new Map<bigint, HourRows>();
  let current: HourRows | undefined;
  for (let row = 0; row < timestamps.length; row++) {
    if (current !== undefined) {
      const since =
        ((high[row * 2] ?? 0) - current.startHigh) * TWO_POW_32 +
        ((low[row * 2] ?? 0) - current.startLow);
      if (since >= 0 && since < HOUR_NS) {
        current.push(row);
        continue;
      }
    }
    const startNs = hourOf(timestamps[row] ?? 0n);
    current = byStart.get(startNs);
    if (current === undefined) {
      current = new HourRows(startNs);
      byStart.set(startNs, current);
    }
    current.push(row);
  }
  return [...byStart.values()];
}

function orderByTime(
  hourStartNs: bigint,
  timestamps: BigInt64Array,
  rows: Uint32Array | undefined,
): HourPartition {
  const { high, low } = halves(timestamps);
  const startHigh = Number(hourStartNs >> 32n);
  const startLow = Number(hourStartNs & 0xffff_ffffn);
  const rowCount = rows === undefined ? timestamps.length : rows.length;
  const sinceNs = new Float64Array(rowCount);
  for (let index = 0; index < rowCount; index++) {
    const row = rows === undefined ? index : (rows[index] ?? 0);
    sinceNs[index] =
      ((high[row * 2] ?? 0) - startHigh) * TWO_POW_32 + ((low[row * 2] ?? 0) - startLow);
  }
  const order = timeOrder(sinceNs);
  const ordered = order === undefined ? rows : applyOrder(order, rows);
  const at = (index: number): bigint =>
    hourStartNs + BigInt(sinceNs[order === undefined ? index : (order[index] ?? 0)] ?? 0);
  return {
    hourStartNs,
    minTimeNs: at(0),
    maxTimeNs: at(rowCount - 1),
    rowCount,
    rows: ordered,
  };
}

function applyOrder(order: Uint32Array, rows: Uint32Array | undefined): Uint32Array {
  if (rows === undefined) return order;
  const applied = new Uint32Array(order.length);
  for (let index = 0; index < order.length; index++) applied[index] = rows[order[index] ?? 0] ?? 0;
  return applied;
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const LOW_WORD = IS_LITTLE_ENDIAN ? 0 : 1;
const HIGH_WORD = IS_LITTLE_ENDIAN ? 1 : 0;

/** Views of the signed upper and unsigned lower halves; element `row * 2` of each belongs to `row`. */
function halves(timestamps: BigInt64Array): { high: Int32Array; low: Uint32Array } {
  const { buffer, byteOffset, length } = timestamps;
  if (length === 0) return { high: new Int32Array(0), low: new Uint32Array(0) };
  return {
    high: new Int32Array(buffer, byteOffset + HIGH_WORD * 4, length * 2 - 1),
    low: new Uint32Array(buffer, byteOffset + LOW_WORD * 4, length * 2 - 1),
  };
}

function gatherColumn(column: Column, rows: Uint32Array): Column {
  const validity = column.validity === undefined ? undefined : gatherBits(column.validity, rows);
  switch (column.type) {
    case "tag":
    case "string":
      return { ...column, validity, codes: gatherCodes(column.codes, rows) };
    case "float":
      return { ...column, validity, values: new Float64Array(gatherWide(column.values, rows)) };
    case "integer":
      return { ...column, validity, values: new BigInt64Array(gatherWide(column.values, rows)) };
    case "unsigned":
      return { ...column, validity, values: new BigUint64Array(gatherWide(column.values, rows)) };
    case "boolean":
      return { ...column, validity, values: gatherBytes(column.values, rows) };
  }
}

/** 64-bit values as pairs of words: no bigint per row, and the bits of a NaN stay as they are. */
function gatherWide(
  values: Float64Array | BigInt64Array | BigUint64Array,
  rows: Uint32Array,
): ArrayBuffer {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const gathered = new Uint32Array(rows.length * 2);
  for (let index = 0; index < rows.length; index++) {
    const row = (rows[index] ?? 0) * 2;
    gathered[index * 2] = source[row] ?? 0;
    gathered[index * 2 + 1] = source[row + 1] ?? 0;
  }
  return gathered.buffer;
}

function gatherCodes(codes: Uint32Array, rows: Uint32Array): Uint32Array {
  const gathered = new Uint32Array(rows.length);
  for (let index = 0; index < rows.length; index++) gathered[index] = codes[rows[index] ?? 0] ?? 0;
  return gathered;
}

function gatherBytes(values: Uint8Array, rows: Uint32Array): Uint8Array {
  const gathered = new Uint8Array(rows.length);
  for (let index = 0; index < rows.length; index++) gathered[index] = values[rows[index] ?? 0] ?? 0;
  return gathered;
}
