/** Public surface of @walnut/series. What is not named here is private. */
export { openSeriesLog, openSeriesLogWith } from "./open-series-log.ts";
export type { SeriesLogOptionsFor } from "./open-series-log.ts";
export type { SeriesLog } from "./series-log.ts";
export type { SeriesMemtable } from "./series-memtable.ts";
export type { FrozenMemtable } from "./frozen-memtable.ts";
export { ListMemtable } from "./memtable.ts";
export type { Memtable, MemtableInfo } from "./memtable.ts";
export type { SeriesEntry, SeriesPoint } from "./series-entry.ts";
export type { FlushRequest, SeriesDurability, SeriesLogOptions } from "./options.ts";
export type { SeriesLayout } from "./log/log-record.ts";
export type { SeriesReadOptions, SeriesRecord } from "./log/series-reader.ts";
export type { RegionStatus, SeriesStatus } from "./series-status.ts";
export type { RegionState } from "./log/region.ts";
export { decodeEntriesV1, encodeEntriesV1, MAX_VALUE_BYTES_V1 } from "./layout/layout-v1.ts";
export { decodeEntriesV2, encodeEntriesV2 } from "./layout/layout-v2.ts";
export { SeriesDictionary, MAX_DICTIONARY_SERIES } from "./layout/series-dictionary.ts";
export { isSeriesError, SeriesError } from "./errors.ts";
export type { SeriesErrorCode, SeriesErrorDetails } from "./errors.ts";
