/**
 * Layout v2 of entries, the default: varint lengths, timestamps as changes of their distance, series ids by number.
 *
 *     reference | count | common length | timestamps | values
 *
 * No field has a limit of 16 bits. Byte by byte, with a worked example, in docs/series.md, "Layout v2". Pure: no I/O, no clock.
 */
import type { SeriesEntry } from "../series-entry.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { SeriesDictionary } from "./series-dictionary.ts";

/** References below this one announce an id of eight bytes. */
const FIRST_NUMBER = 2;
const LITERAL_ID = 0;
const NEW_ID = 1;

/** The difference of two distances up to this one, folded, is still a whole number of 53 bits. */
const MAX_FAST_DISTANCE = 2 ** 50;
const MAX_NEAR = BigInt(MAX_FAST_DISTANCE);

/**
 * Encodes entries one behind the other.
 *
 * @param dictionary - numbers that what was encoded before has given out; it takes up new series
 */
export function encodeEntriesV2(
  entries: Iterable<SeriesEntry>,
  dictionary: SeriesDictionary = new SeriesDictionary(),
): Uint8Array {
  const writer = new ByteWriter();
  const encoder = new EntryWriterV2(writer, dictionary);
  for (const entry of entries) encoder.write(entry);
  return writer.view(0, writer.length);
}

/**
 * Decodes entries that stand one behind the other. Values are views of `bytes`.
 *
 * @param dictionary - as it was when the first of these entries was encoded; it takes up new series
 * @throws {SeriesError} `SERIES_CORRUPT` with the offset
 */
export function decodeEntriesV2(
  bytes: Uint8Array,
  dictionary: SeriesDictionary = new SeriesDictionary(),
): SeriesEntry[] {
  return readEntriesV2(new ByteReader(bytes), dictionary);
}

/** Writes the entries of one record: timestamps lean on those of the entry before. */
export class EntryWriterV2 {
  readonly #writer: ByteWriter;
  readonly #dictionary: SeriesDictionary;
  #previousFirst = 0n;

  constructor(writer: ByteWriter, dictionary: SeriesDictionary) {
    this.#writer = writer;
    this.#dictionary = dictionary;
  }

  write({ seriesId, timestamps, values }: SeriesEntry): void {
    const writer = this.#writer;
    this.#writeReference(seriesId);
    writer.varint(values.length);
    const commonBytes = commonLength(values);
    writer.varint(commonBytes === undefined ? 0 : commonBytes + 1);
    this.#writeTimestamps(timestamps);
    for (const value of values) {
      if (commonBytes === undefined) writer.varint(value.byteLength);
      writer.raw(value);
    }
  }

  #writeReference(seriesId: bigint): void {
    const writer = this.#writer;
    const number = this.#dictionary.numberOf(seriesId);
    if (number !== undefined) {
      writer.varint(number + FIRST_NUMBER);
      return;
    }
    writer.varint(this.#dictionary.isFull ? LITERAL_ID : NEW_ID);
    writer.u64(seriesId);
    if (!this.#dictionary.isFull) this.#dictionary.add(seriesId);
  }

  /**
   * Distances wrap at 64 bits, so that any two timestamps have one. Those of a usual store fit a number, which is several times faster
   * than a bigint; the first that does not ends the fast way for its entry.
   */
  #writeTimestamps(timestamps: readonly bigint[]): void {
    const writer = this.#writer;
    let previous = this.#previousFirst;
    let distance = 0;
    for (let index = 0; index < timestamps.length; index++) {
      const timestamp = timestamps[index] ?? 0n;
      const next = Number(timestamp - previous);
      if (next > MAX_FAST_DISTANCE || next < -MAX_FAST_DISTANCE) {
        this.#writeFar(timestamps, index, previous, BigInt(distance));
        break;
      }
      writer.signedSmall(index < 2 ? next : next - distance);
      distance = next;
      previous = timestamp;
    }
    this.#previousFirst = timestamps[0] ?? this.#previousFirst;
  }

  #writeFar(
    timestamps: readonly bigint[],
    from: number,
    before: bigint,
    lastDistance: bigint,
  ): void {
    let previous = before;
    let distance = lastDistance;
    for (let index = from; index < timestamps.length; index++) {
      const timestamp = timestamps[index] ?? 0n;
      const next = BigInt.asIntN(64, timestamp - previous);
      this.#writer.signedVarint(index < 2 ? next : BigInt.asIntN(64, next - distance));
      distance = next;
      previous = timestamp;
    }
  }
}

/** Reads the entries of one record up to its end. @throws {SeriesError} `SERIES_CORRUPT` */
export function readEntriesV2(reader: ByteReader, dictionary: SeriesDictionary): SeriesEntry[] {
  const entries: SeriesEntry[] = [];
  let previousFirst = 0n;
  while (reader.left > 0) {
    const seriesId = readReference(reader, dictionary);
    const count = reader.varint();
    const common = reader.varint();
    // A timestamp takes a byte or more: a count above that is not worth an allocation.
    if (count > reader.left) throw reader.corrupt(`${count} values in ${reader.left} bytes`);
    const timestamps = readTimestamps(reader, count, previousFirst);
    previousFirst = timestamps[0] ?? previousFirst;
    const values: Uint8Array[] = [];
    for (let index = 0; index < count; index++) {
      values.push(reader.raw(common === 0 ? reader.varint() : common - 1));
    }
    entries.push({ seriesId, timestamps, values });
  }
  return entries;
}

function readReference(reader: ByteReader, dictionary: SeriesDictionary): bigint {
  const reference = reader.varint();
  if (reference >= FIRST_NUMBER) {
    const known = dictionary.idOf(reference - FIRST_NUMBER);
    if (known === undefined) {
      throw reader.corrupt(`series number ${reference - FIRST_NUMBER} of ${dictionary.size}`);
    }
    return known;
  }
  const seriesId = reader.u64();
  if (reference === NEW_ID) {
    if (dictionary.isFull) throw reader.corrupt("more series numbers than there can be");
    dictionary.add(seriesId);
  }
  return seriesId;
}

function readTimestamps(reader: ByteReader, count: number, previousFirst: bigint): bigint[] {
  const timestamps: bigint[] = [];
  let previous = previousFirst;
  let distance = 0n;
  // As long as it fits a number, which is the usual case.
  let small: number | undefined = 0;
  for (let index = 0; index < count; index++) {
    const read = reader.signedSmall();
    if (read !== undefined && small !== undefined) {
      small = index < 2 ? read : small + read;
      distance = BigInt(small);
      if (small > MAX_FAST_DISTANCE || small < -MAX_FAST_DISTANCE) small = undefined;
    } else {
      const far: bigint = read === undefined ? reader.signedVarint() : BigInt(read);
      distance = index < 2 ? far : BigInt.asIntN(64, distance + far);
      const isNear = distance <= MAX_NEAR && distance >= -MAX_NEAR;
      small = isNear ? Number(distance) : undefined;
    }
    previous = BigInt.asIntN(64, previous + distance);
    timestamps.push(previous);
  }
  return timestamps;
}

/** The length that all values have; `undefined` when they differ, or when there are none. */
function commonLength(values: readonly Uint8Array[]): number | undefined {
  const common = values[0]?.byteLength;
  for (const { byteLength } of values) if (byteLength !== common) return undefined;
  return common;
}
