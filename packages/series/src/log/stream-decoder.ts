/**
 * Reads the records of a log one after the other and says what each means. Has the memory that records refer to: the series
 * dictionary and the regions of the present file. No I/O.
 *
 * Where records were lost (a salvaged log), what follows may refer to them, or belong to a file whose beginning is among them. So points
 * count again from the next file on; what is left out is counted.
 */
import type { WalRecord } from "@walnut/wal";
import { isSeriesError, SeriesError } from "../errors.ts";
import { SeriesDictionary } from "../layout/series-dictionary.ts";
import type { SeriesEntry } from "../series-entry.ts";
import { decodeLogRecord, isReadableAlone, type LogRecord } from "./log-record.ts";

/** What one record of a log says. */
export type StreamEvent =
  | { readonly kind: "file"; readonly lsn: number; readonly nextRegion: number }
  | {
      readonly kind: "points";
      readonly lsn: number;
      readonly region: number;
      readonly memtableId: string;
      readonly isCarried: boolean;
      readonly entries: readonly SeriesEntry[];
    }
  | { readonly kind: "released"; readonly lsn: number; readonly region: number }
  | {
      readonly kind: "restart";
      readonly lsn: number;
      readonly region: number;
      readonly memtableId: string;
      readonly originLsn: number;
    };

/** Makes events of records, one by one, from the beginning of a file on. For whoever reads a log without opening it. */
export class StreamDecoder {
  readonly #dictionary = new SeriesDictionary();
  readonly #memtableIds = new Map<number, string>();
  #isInFile = false;
  #nextLsn: number;
  readonly #mayHaveGaps: boolean;
  #lostRecords = 0;
  /** LSN at which the present file begins. */
  fileLsn = 0;

  /**
   * @param firstLsn - LSN of the first record to come
   * @param mayHaveGaps - records may be missing: the log was salvaged, and whoever reads it knows
   */
  constructor(firstLsn: number, mayHaveGaps: boolean) {
    this.#nextLsn = firstLsn;
    this.#mayHaveGaps = mayHaveGaps;
  }

  /** Records that are missing, and those that cannot be read without them. */
  get lostRecords(): number {
    return this.#lostRecords;
  }

  /** To be called behind the last record: those that are missing at the end count as well. */
  end(nextLsn: number): void {
    this.#skipTo(nextLsn);
  }

  /**
   * What a record means; `undefined` for one that only prepares others.
   *
   * @throws {SeriesError} `SERIES_CORRUPT`, `SERIES_UNSUPPORTED_FORMAT`
   */
  take({ lsn, payload }: Pick<WalRecord, "lsn" | "payload">): StreamEvent | undefined {
    this.#skipTo(lsn);
    this.#nextLsn = lsn + 1;
    if (!this.#isInFile && this.#mayHaveGaps && !isReadableAlone(payload)) {
      this.#lostRecords++;
      return undefined;
    }
    const record = this.#decode(lsn, payload);
    if (record.type === "file") {
      this.#isInFile = true;
      this.fileLsn = lsn;
      this.#dictionary.clear();
      this.#memtableIds.clear();
      return { kind: "file", lsn, nextRegion: record.nextRegion };
    }
    if (!this.#isInFile && !this.#mayHaveGaps) {
      throw corrupt(lsn, "the log should begin with the record of a file");
    }
    const { region } = record;
    switch (record.type) {
      case "region":
        this.#memtableIds.set(region, record.memtableId);
        return undefined;
      case "points": {
        const { entries, isCarried } = record;
        const memtableId = this.#idOf(lsn, region);
        return { kind: "points", lsn, region, memtableId, isCarried, entries };
      }
      case "released":
        return { kind: "released", lsn, region };
      case "restart": {
        const { originLsn } = record;
        return { kind: "restart", lsn, region, memtableId: this.#idOf(lsn, region), originLsn };
      }
    }
  }

  #skipTo(lsn: number): void {
    if (lsn <= this.#nextLsn) return;
    this.#lostRecords += lsn - this.#nextLsn;
    this.#nextLsn = lsn;
    this.#isInFile = false;
  }

  #decode(lsn: number, payload: Uint8Array): LogRecord {
    try {
      return decodeLogRecord(payload, this.#dictionary);
    } catch (error) {
      if (!isSeriesError(error, "SERIES_CORRUPT")) throw error;
      throw new SeriesError("SERIES_CORRUPT", `record ${lsn}: ${error.message}`, {
        details: { ...error.details, lsn },
        cause: error,
      });
    }
  }

  #idOf(lsn: number, region: number): string {
    const memtableId = this.#memtableIds.get(region);
    if (memtableId !== undefined) return memtableId;
    throw corrupt(lsn, `region ${region} has no name in this file`);
  }
}

function corrupt(lsn: number, what: string): SeriesError {
  return new SeriesError(
    "SERIES_CORRUPT",
    `record ${lsn}: ${what}; is this the directory of a series log?`,
    { details: { lsn } },
  );
}
