/**
 * Records of a series log besides points, and the first bytes of those with points. Format: docs/series.md, "On disk".
 *
 *     file      1, format version, layout, next region          begins what can be read alone
 *     region    2, region, length of the memtable's id, id       before the region's first points in a file
 *     points    3, region, entries in layout v1
 *     points    4, region, entries in layout v2
 *     released  5, region
 *     restart   6, region, LSN of the first original             the region begins anew; what was before no longer counts
 *     carried   7, region, entries in layout v1                  points behind a restart, in the same batch
 *     carried   8, region, entries in layout v2
 */
import { SeriesError } from "../errors.ts";
import { ByteReader } from "../layout/byte-reader.ts";
import type { ByteWriter } from "../layout/byte-writer.ts";
import { readEntriesV1 } from "../layout/layout-v1.ts";
import { readEntriesV2 } from "../layout/layout-v2.ts";
import type { SeriesDictionary } from "../layout/series-dictionary.ts";
import type { SeriesEntry } from "../series-entry.ts";

/** Layouts of entries. */
export const SERIES_LAYOUTS = ["v1", "v2"] as const;
export type SeriesLayout = (typeof SERIES_LAYOUTS)[number];

export const RECORD_TYPE = {
  file: 1,
  region: 2,
  pointsV1: 3,
  pointsV2: 4,
  released: 5,
  restart: 6,
  carriedV1: 7,
  carriedV2: 8,
} as const;

const FORMAT_VERSION = 1;

export type LogRecord =
  | { readonly type: "file"; readonly nextRegion: number }
  | { readonly type: "region"; readonly region: number; readonly memtableId: string }
  | {
      readonly type: "points";
      readonly region: number;
      readonly isCarried: boolean;
      readonly entries: readonly SeriesEntry[];
    }
  | { readonly type: "released"; readonly region: number }
  | { readonly type: "restart"; readonly region: number; readonly originLsn: number };

export function writeFileRecord(
  writer: ByteWriter,
  layout: SeriesLayout,
  nextRegion: number,
): void {
  writer.u8(RECORD_TYPE.file);
  writer.u8(FORMAT_VERSION);
  writer.u8(layout === "v1" ? 1 : 2);
  writer.varint(nextRegion);
}

export function writeRegionRecord(writer: ByteWriter, region: number, memtableId: string): void {
  const id = new TextEncoder().encode(memtableId);
  writer.u8(RECORD_TYPE.region);
  writer.varint(region);
  writer.varint(id.byteLength);
  writer.raw(id);
}

export function writeReleasedRecord(writer: ByteWriter, region: number): void {
  writer.u8(RECORD_TYPE.released);
  writer.varint(region);
}

export function writeRestartRecord(writer: ByteWriter, region: number, originLsn: number): void {
  writer.u8(RECORD_TYPE.restart);
  writer.varint(region);
  writer.varint(originLsn);
}

/** @throws {SeriesError} `SERIES_CORRUPT`, `SERIES_UNSUPPORTED_FORMAT` */
export function decodeLogRecord(payload: Uint8Array, dictionary: SeriesDictionary): LogRecord {
  const reader = new ByteReader(payload);
  const type = reader.u8();
  if (type === RECORD_TYPE.file) return readFileRecord(reader);
  const region = reader.varint();
  switch (type) {
    case RECORD_TYPE.region: {
      const memtableId = new TextDecoder().decode(reader.raw(reader.varint()));
      return { type: "region", region, memtableId };
    }
    case RECORD_TYPE.pointsV1:
    case RECORD_TYPE.carriedV1: {
      const isCarried = type === RECORD_TYPE.carriedV1;
      return { type: "points", region, isCarried, entries: readEntriesV1(reader) };
    }
    case RECORD_TYPE.pointsV2:
    case RECORD_TYPE.carriedV2: {
      const isCarried = type === RECORD_TYPE.carriedV2;
      return { type: "points", region, isCarried, entries: readEntriesV2(reader, dictionary) };
    }
    case RECORD_TYPE.released:
      return { type: "released", region };
    case RECORD_TYPE.restart:
      return { type: "restart", region, originLsn: reader.varint() };
    default:
      throw reader.corrupt(`a record of type ${type}`);
  }
}

/** True for records that mean the same whatever stood before them. */
export function isReadableAlone(payload: Uint8Array): boolean {
  const type = payload[0];
  return type === RECORD_TYPE.file || type === RECORD_TYPE.region || type === RECORD_TYPE.released;
}

function readFileRecord(reader: ByteReader): LogRecord {
  const version = reader.u8();
  if (version !== FORMAT_VERSION) {
    throw new SeriesError(
      "SERIES_UNSUPPORTED_FORMAT",
      `the log has format version ${version}, this program knows ${FORMAT_VERSION}; use a newer one`,
      { details: { version } },
    );
  }
  reader.u8(); // The layout of new points when it was written; each record says its own.
  return { type: "file", nextRegion: reader.varint() };
}
