/** One memtable of a log by its id: where its points are written and where it is swapped. Holds nothing; as many as one likes. */
import type { FrozenMemtable } from "./frozen-memtable.ts";
import type { Memtable } from "./memtable.ts";
import type { SeriesPoint } from "./series-entry.ts";

export interface SeriesMemtable<M extends Memtable = Memtable> {
  readonly memtableId: string;
  /** The memtable that takes points now; `undefined` before the first one, and after a swap until the next. */
  readonly active: M | undefined;
  /**
   * Writes one point. Resolves when log and memtable have it, as safe as the log's level says, with the LSN of its batch's last
   * record (0 with `persistent: false` or `wal: false`). `value` is copied before this method returns.
   *
   * @throws {SeriesError} `SERIES_VALUE_TOO_LARGE`, `SERIES_OVERLOADED`, `SERIES_MEMTABLE_FAILED`, `SERIES_CLOSED`
   * @throws {WalError} `WAL_NO_SPACE`, `WAL_IO`, `WAL_POISONED`: the point is in the memtable neither
   */
  write(seriesId: bigint, timestamp: bigint, value: Uint8Array): Promise<number>;
  /**
   * Writes points as one: after a crash all of them are there or none.
   *
   * @throws as {@link SeriesMemtable.write}, and `SERIES_BATCH_TOO_LARGE`
   */
  writeBatch(points: readonly SeriesPoint[]): Promise<number>;
  /**
   * Swaps the memtable and its part of the log in one step, when it is called: what was written before is in the one that this
   * resolves with, what is written afterwards in the next, in memory and in the log. Resolves when all writes before have ended and
   * are on the device; with `undefined` when there are no points to flush.
   */
  rotate(): Promise<FrozenMemtable<M> | undefined>;
}
