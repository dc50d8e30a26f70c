/** Opening: options in, a replayed log out. The only place where disk, clock and randomness come in. */
import { nodeEnvironment, type WalEnvironment } from "@walnut/wal";
import { openLogParts } from "./log/log-parts.ts";
import { RegionTable } from "./log/region-table.ts";
import type { ListMemtable, Memtable, MemtableInfo } from "./memtable.ts";
import { resolveSeriesLogOptions, type SeriesLogOptions } from "./options.ts";
import { SeriesLog } from "./series-log.ts";

/** Options with a memtable of a certain class. */
export type SeriesLogOptionsFor<M extends Memtable> = SeriesLogOptions & {
  readonly memtable: (info: MemtableInfo) => M;
};

/**
 * Opens a series log and replays it: the memtables that were not released are in `frozen()`, to be flushed and released.
 *
 * @throws {SeriesError} `SERIES_INVALID_OPTION`, `SERIES_CORRUPT`, `SERIES_UNSUPPORTED_FORMAT`
 * @throws {WalError} `WAL_LOCKED` when another process has it open, `WAL_CORRUPT`, `WAL_CODEC_MISSING`, `WAL_IO`, …
 */
export async function openSeriesLog<M extends Memtable>(
  options: SeriesLogOptionsFor<M>,
): Promise<SeriesLog<M>>;
export async function openSeriesLog(options: SeriesLogOptions): Promise<SeriesLog<ListMemtable>>;
export async function openSeriesLog(options: SeriesLogOptions): Promise<SeriesLog> {
  return await openSeriesLogWith(nodeEnvironment(), options);
}

/** As {@link openSeriesLog}, in a given environment: for simulated disks and clocks. */
export async function openSeriesLogWith(
  environment: WalEnvironment,
  options: SeriesLogOptions,
): Promise<SeriesLog> {
  const resolved = resolveSeriesLogOptions(options);
  const regions = new RegionTable(resolved.memtable, () => environment.nowMs());
  const parts = resolved.wal ? await openLogParts(environment, resolved, regions) : undefined;
  return new SeriesLog(resolved, regions, parts);
}
