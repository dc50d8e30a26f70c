/**
 * Prometheus remote-write 1.0 (`prometheus.WriteRequest`) to typed columns. Strict: one bad series refuses all.
 *
 *     WriteRequest  1 timeseries*  3 metadata* (ignored)
 *     TimeSeries    1 labels*  2 samples*  3 exemplars* (counted, not stored)  4 histograms* (refused)
 *     Label         1 name  2 value        Sample  1 value (double)  2 timestamp (int64, ms)
 *
 * The label `__name__` is the measurement, every other label a tag, the value the float field `value`. Each
 * series is read twice: its labels first, because samples may come before them. Rules in full:
 * docs/ingest-formats.md, section "Prometheus remote-write".
 */
import { ServerError, type ServerErrorCode } from "../errors.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { ByteDictionary, hashBytes, INVALID_UTF8, VALUE_TOO_LONG } from "./byte-dictionary.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import { ProtobufCursor, WIRE } from "./protobuf-cursor.ts";
import { RemoteWriteTable } from "./remote-write-table.ts";
import type { IngestBatch } from "./table-batch.ts";
import { asBuffer } from "./utf8-text.ts";

export interface RemoteWriteOptions {
  readonly database: string;
  readonly limits: IngestLimits;
}

/** A decoded request, and what of it is not stored by rule. */
export interface RemoteWriteResult {
  readonly batch: IngestBatch;
  /** Samples that say that a series has ended: they are no values. */
  readonly staleMarkers: number;
  readonly exemplars: number;
}

const NAME_LABEL = Buffer.from("__name__");

/** High and low half of the NaN by which Prometheus marks the end of a series. */
const STALE_HIGH = 0x7ff0_0000;
const STALE_LOW = 0x0000_0002;

const TWO_32 = 4_294_967_296;
/** Times beyond it have no 64-bit nanoseconds. */
const MAX_TIME_MS = 9_223_372_036_854;

/**
 * Decodes one request body, decompressed.
 *
 * The body is not changed, and the batch does not refer to it.
 *
 * @throws {ServerError} `SERVER_INVALID_REMOTE_WRITE`, `SERVER_TYPE_CONFLICT`, `SERVER_TOO_LARGE`, each with
 *   details `offsetBytes` (from 0, in the decompressed body), `series` (from 0) and `reason`
 */
export function decodeRemoteWrite(
  body: Uint8Array,
  options: RemoteWriteOptions,
): RemoteWriteResult {
  return new RemoteWriteDecoder(asBuffer(body), options).decode();
}

class RemoteWriteDecoder {
  readonly #cursor: ProtobufCursor;
  readonly #limits: IngestLimits;
  readonly #batch: BatchBuilder;
  readonly #measurements: ByteDictionary;
  /** Names of labels; their codes index the columns of every table. */
  readonly #labelNames: ByteDictionary;
  readonly #tables: RemoteWriteTable[] = [];
  /** The labels of the series being read: code of the name, start and end of the value. */
  readonly #labels: number[] = [];
  #seriesIndex = -1;
  #rowCount = 0;
  #staleMarkers = 0;
  #exemplars = 0;

  constructor(body: Buffer, options: RemoteWriteOptions) {
    const { limits } = options;
    const names = { maxValueBytes: limits.maxNameBytes };
    this.#cursor = new ProtobufCursor(body, (reason, at) => this.#fail(reason, at));
    this.#limits = limits;
    this.#measurements = new ByteDictionary(body, names);
    this.#labelNames = new ByteDictionary(body, names);
    this.#batch = new BatchBuilder({
      database: options.database,
      limits,
      body,
      fail: (limit, reason) =>
        this.#fail(reason, this.#cursor.at, { code: "SERVER_TOO_LARGE", limit }),
    });
  }

  decode(): RemoteWriteResult {
    const cursor = this.#cursor;
    const bodyEnd = cursor.end;
    while (cursor.nextField()) {
      if (cursor.field !== 1) {
        cursor.skipValue();
        continue;
      }
      cursor.expect(WIRE.bytes, "timeseries");
      const end = cursor.readLength("timeseries");
      this.#seriesIndex++;
      cursor.end = end;
      this.#readSeries(cursor.at);
      cursor.end = bodyEnd;
      cursor.at = end;
    }
    const batch = this.#batch.finish();
    return { batch, staleMarkers: this.#staleMarkers, exemplars: this.#exemplars };
  }

  #readSeries(start: number): void {
    const cursor = this.#cursor;
    const table = this.#readLabels(start);
    if (table === undefined) return; // A series without samples.
    cursor.at = start;
    const firstRow = table.rowCount;
    while (cursor.nextField()) {
      if (cursor.field === 2) this.#readSample(table);
      else cursor.skipValue();
    }
    if (table.rowCount > firstRow) this.#writeTags(table, firstRow);
  }

  /** Reads the labels of a series; `undefined` when it has no sample. */
  #readLabels(start: number): RemoteWriteTable | undefined {
    const cursor = this.#cursor;
    this.#labels.length = 0;
    let measurement = -1;
    let samples = 0;
    while (cursor.nextField()) {
      if (cursor.field === 1) {
        const code = this.#readLabel();
        if (code < 0) continue;
        if (measurement >= 0) this.#fail("the label __name__ appears twice", start);
        measurement = code;
      } else {
        if (cursor.field === 2) samples++;
        if (cursor.field === 3) this.#exemplars++;
        if (cursor.field === 4) this.#failHistogram();
        cursor.skipValue();
      }
    }
    if (measurement < 0) this.#fail("the series has no label __name__", start);
    if (samples === 0) return undefined;
    return this.#tableOf(measurement);
  }

  /** Reads one label into {@link #labels}; the code of the measurement if it is the name, else −1. */
  #readLabel(): number {
    const cursor = this.#cursor;
    const { bytes } = cursor;
    cursor.expect(WIRE.bytes, "labels");
    const seriesEnd = cursor.end;
    const end = cursor.readLength("labels");
    const start = cursor.at;
    cursor.end = end;
    // Fields that are missing are empty texts; one that comes twice counts as its last.
    let [nameStart, nameEnd, valueStart, valueEnd] = [start, start, start, start];
    while (cursor.nextField()) {
      if (cursor.field !== 1 && cursor.field !== 2) {
        cursor.skipValue();
        continue;
      }
      cursor.expect(WIRE.bytes, "a label");
      const textEnd = cursor.readLength("a label");
      if (cursor.field === 1) [nameStart, nameEnd] = [cursor.at, textEnd];
      else [valueStart, valueEnd] = [cursor.at, textEnd];
      cursor.at = textEnd;
    }
    cursor.end = seriesEnd;
    if (nameStart === nameEnd) this.#fail("a label has no name", start);
    if (bytes.compare(NAME_LABEL, 0, NAME_LABEL.length, nameStart, nameEnd) === 0) {
      if (valueStart === valueEnd) this.#fail("the label __name__ is empty", start);
      return this.#encodeName(this.#measurements, valueStart, valueEnd);
    }
    // To Prometheus a label without a value is no label.
    if (valueStart === valueEnd) return -1;
    if (this.#labels.length >= this.#limits.maxTagsPerRow * 3) {
      this.#fail(`the series has more labels than ${this.#limits.maxTagsPerRow}`, start, {
        limit: "maxTagsPerRow",
      });
    }
    this.#labels.push(this.#encodeName(this.#labelNames, nameStart, nameEnd), valueStart, valueEnd);
    return -1;
  }

  #encodeName(names: ByteDictionary, start: number, end: number): number {
    const code = names.encode(start, end, hashBytes(this.#cursor.bytes, start, end));
    if (code === INVALID_UTF8) this.#fail("a name is not valid UTF-8", start);
    if (code === VALUE_TOO_LONG) {
      this.#fail(`a name is longer than ${this.#limits.maxNameBytes} bytes`, start, {
        limit: "maxNameBytes",
      });
    }
    return code;
  }

  #tableOf(measurement: number): RemoteWriteTable {
    const known = this.#tables[measurement];
    if (known !== undefined) return known;
    const name = this.#measurements.values[measurement] ?? "";
    const table = new RemoteWriteTable(this.#batch.table(name, 0), this.#labelNames);
    this.#tables[measurement] = table;
    return table;
  }

  #readSample(table: RemoteWriteTable): void {
    const cursor = this.#cursor;
    const { bytes } = cursor;
    cursor.expect(WIRE.bytes, "samples");
    const seriesEnd = cursor.end;
    const end = cursor.readLength("samples");
    const start = cursor.at;
    cursor.end = end;
    let valueAt = -1;
    let [timeLow, timeHigh] = [0, 0];
    while (cursor.nextField()) {
      if (cursor.field === 1) {
        cursor.expect(WIRE.fixed64, "the value of a sample");
        valueAt = cursor.readFixed64("the value of a sample");
      } else if (cursor.field === 2) {
        cursor.expect(WIRE.varint, "the timestamp of a sample");
        cursor.readVarint();
        timeLow = cursor.low;
        timeHigh = cursor.high | 0;
      } else cursor.skipValue();
    }
    cursor.end = seriesEnd;
    if (valueAt >= 0 && isStaleMarker(bytes, valueAt)) {
      this.#staleMarkers++;
      return;
    }
    const timeMs = timeHigh * TWO_32 + timeLow;
    if (Math.abs(timeMs) > MAX_TIME_MS) {
      this.#fail("a timestamp is outside the range of 64-bit nanoseconds", start);
    }
    if (this.#rowCount >= this.#limits.maxRows) {
      this.#batch.fail("maxRows", `the request has more rows than ${this.#limits.maxRows}`);
    }
    this.#rowCount++;
    table.addRow(timeMs, valueAt < 0 ? 0 : bytes.readDoubleLE(valueAt));
  }

  #writeTags(table: RemoteWriteTable, firstRow: number): void {
    const { bytes } = this.#cursor;
    const labels = this.#labels;
    for (let index = 0; index < labels.length; index += 3) {
      const [name = 0, start = 0, end = 0] = [labels[index], labels[index + 1], labels[index + 2]];
      const fault = table.fillTag(
        name,
        { start, end, hash: hashBytes(bytes, start, end) },
        firstRow,
      );
      if (fault === undefined) continue;
      if (fault === "twice") this.#fail(`the label ${this.#nameText(name)} appears twice`, start);
      if (fault === "invalid-utf8") {
        this.#fail(`the label ${this.#nameText(name)} is not valid UTF-8`, start);
      }
      this.#fail(`the label ${this.#nameText(name)} is too long`, start, {
        limit: "maxStringBytes",
      });
    }
  }

  #nameText(code: number): string {
    return JSON.stringify(this.#labelNames.values[code] ?? "");
  }

  #failHistogram(): never {
    return this.#fail(
      "native histograms are not supported: set send_native_histograms to false",
      this.#cursor.at,
    );
  }

  #fail(
    reason: string,
    at: number,
    options: { readonly code?: ServerErrorCode; readonly limit?: string } = {},
  ): never {
    const series = Math.max(0, this.#seriesIndex);
    const limit = options.limit === undefined ? {} : { limit: options.limit };
    throw new ServerError(
      options.code ?? "SERVER_INVALID_REMOTE_WRITE",
      `series ${series}, byte ${at}: ${reason}; nothing of the request was stored`,
      { details: { offsetBytes: at, series, reason, ...limit } },
    );
  }
}

function isStaleMarker(bytes: Buffer, at: number): boolean {
  return bytes.readUInt32LE(at + 4) === STALE_HIGH && bytes.readUInt32LE(at) === STALE_LOW;
}
