/** A memtable that takes no more points, until its owner has flushed it and releases it. */
import type { Memtable } from "./memtable.ts";

export interface FrozenMemtable<M extends Memtable = Memtable> {
  readonly memtableId: string;
  /**
   * Number of its part of the log, never given out twice. A file named by it is written once: a store that finds the file of a
   * region after a crash releases the region instead of flushing it again.
   */
  readonly region: number;
  readonly memtable: M;
  readonly points: number;
  /**
   * Gives up its part of the log; to be called when the flushed file is on the device. When it resolves a restart no longer finds
   * the region; the files of the log go as soon as no other region needs them. Idempotent; can be repeated after a failure.
   */
  release(): Promise<void>;
}
