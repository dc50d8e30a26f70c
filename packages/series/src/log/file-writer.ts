/**
 * Turns what is written into records, file by file: each file can be read without those before it.
 *
 * A file begins with a record that says so, has a series dictionary of its own, and names each region before its first points.
 * Files are segments of the log underneath; where that begins a segment by itself (one that is full of an exceptionally large
 * batch), a file goes over two, which costs nothing but that they are released together.
 *
 * When an append fails, numbers of series may be lost with it. The log then gives its LSNs out again, which is how it is seen:
 * the next append begins a file anew.
 */
import type { AppendOptions, Wal } from "@walnut/wal";
import { ByteWriter } from "../layout/byte-writer.ts";
import { writeEntryV1 } from "../layout/layout-v1.ts";
import { EntryWriterV2 } from "../layout/layout-v2.ts";
import { SeriesDictionary } from "../layout/series-dictionary.ts";
import type { SeriesEntry } from "../series-entry.ts";
import {
  RECORD_TYPE,
  writeRestartRecord,
  writeFileRecord,
  writeRegionRecord,
  writeReleasedRecord,
  type SeriesLayout,
} from "./log-record.ts";
import type { PointsPlace, Region } from "./region.ts";

/** A record of points ends behind the entry that reaches this size, so that frames stay small. */
const TARGET_RECORD_BYTES = 32 * 1024;

const POINTS_TYPES = {
  v1: { written: RECORD_TYPE.pointsV1, carried: RECORD_TYPE.carriedV1 },
  v2: { written: RECORD_TYPE.pointsV2, carried: RECORD_TYPE.carriedV2 },
} as const;

export interface FileWriterOptions {
  readonly wal: Wal;
  readonly layout: SeriesLayout;
  readonly fileSizeBytes: number;
  /** The number that the next region will get; it must never be given out twice. */
  readonly nextRegion: () => number;
  /** Called when a file is about to begin. */
  readonly onFile: (fileLsn: number) => void;
  /** Called when the first records of a file are in the log. */
  readonly onFileBegun: () => void;
}

export class FileWriter {
  readonly #options: FileWriterOptions;
  readonly #writer = new ByteWriter();
  #ends: number[] = [];
  readonly #dictionary = new SeriesDictionary();
  readonly #named = new Set<number>();
  #fileLsn = 0;
  #fileBytes = 0;
  #isEnded = true;
  /** Nothing of the present file has been handed to the log. */
  #isNew = false;
  /** Last LSN of the log when this writer had appended last. */
  #lastLsn = 0;

  constructor(options: FileWriterOptions) {
    this.#options = options;
  }

  /** First LSN of the present file; 0 before the first append. */
  get fileLsn(): number {
    return this.#fileLsn;
  }

  /** What is appended from now on goes into a new file. */
  endFile(): void {
    this.#isEnded = true;
  }

  /** Appends points of regions as one batch: after a crash all of them are there or none. */
  appendPoints(
    groups: Iterable<{ readonly region: Region; readonly entries: readonly SeriesEntry[] }>,
  ): Promise<PointsPlace> {
    this.#begin();
    for (const { region, entries } of groups) this.#points(region, entries, false);
    return this.#append();
  }

  /**
   * Appends a region's points again, durably; those before no longer count. One batch.
   *
   * @throws what `entries` throws; nothing was written
   */
  appendCarried(region: Region, entries: Iterable<SeriesEntry>): Promise<PointsPlace> {
    this.#begin();
    this.#name(region);
    writeRestartRecord(this.#writer, region.number, region.originLsn);
    this.#endRecord();
    try {
      this.#points(region, entries, true);
    } catch (error) {
      // Names and numbers were given out that the log will never hold: they end with the file.
      this.endFile();
      throw error;
    }
    return this.#append({ durability: "fdatasync" });
  }

  /** Appends, durably, that a region is no longer needed. */
  appendReleased(region: Region): Promise<PointsPlace> {
    this.#begin();
    writeReleasedRecord(this.#writer, region.number);
    this.#endRecord();
    return this.#append({ durability: "fdatasync" });
  }

  #begin(): void {
    const { wal, layout, fileSizeBytes, nextRegion, onFile } = this.#options;
    this.#writer.reset();
    this.#ends = [];
    const { appendedLsn } = wal.positions;
    const isLost = appendedLsn !== this.#lastLsn;
    if (!this.#isEnded && !isLost && this.#fileBytes < fileSizeBytes) return;
    // The log does it behind all that was appended and before all that will be. Its failure is seen by the appends behind it.
    if (this.#fileLsn > 0 && !isLost) void wal.rotate().catch(() => undefined);
    this.#isEnded = false;
    this.#dictionary.clear();
    this.#named.clear();
    this.#fileLsn = appendedLsn + 1;
    this.#fileBytes = 0;
    this.#isNew = true;
    writeFileRecord(this.#writer, layout, nextRegion());
    this.#endRecord();
    onFile(this.#fileLsn);
  }

  #name(region: Region): void {
    if (this.#named.has(region.number)) return;
    this.#named.add(region.number);
    writeRegionRecord(this.#writer, region.number, region.memtableId);
    this.#endRecord();
  }

  #points(region: Region, entries: Iterable<SeriesEntry>, isCarried: boolean): void {
    const writer = this.#writer;
    const { layout } = this.#options;
    this.#name(region);
    let start = -1;
    let writeEntry = (entry: SeriesEntry): void => writeEntryV1(writer, entry);
    for (const entry of entries) {
      if (start < 0) {
        start = writer.length;
        writer.u8(POINTS_TYPES[layout][isCarried ? "carried" : "written"]);
        writer.varint(region.number);
        if (layout === "v2") {
          const entryWriter = new EntryWriterV2(writer, this.#dictionary);
          writeEntry = (next) => entryWriter.write(next);
        }
      }
      writeEntry(entry);
      if (writer.length - start < TARGET_RECORD_BYTES) continue;
      this.#endRecord();
      start = -1;
    }
    if (start >= 0) this.#endRecord();
  }

  #endRecord(): void {
    this.#ends.push(this.#writer.length);
  }

  async #append(options?: AppendOptions): Promise<PointsPlace> {
    const { wal, onFileBegun } = this.#options;
    const writer = this.#writer;
    const payloads = this.#ends.map((end, index) => writer.view(this.#ends[index - 1] ?? 0, end));
    const fileLsn = this.#fileLsn;
    this.#lastLsn = wal.positions.appendedLsn + payloads.length;
    this.#fileBytes += writer.length;
    // The log copies before it returns: the writer may be used again.
    const isFirst = this.#isNew;
    this.#isNew = false;
    const place = await wal.appendBatch(payloads, options);
    if (isFirst) onFileBegun();
    return { fileLsn, ...place };
  }
}
