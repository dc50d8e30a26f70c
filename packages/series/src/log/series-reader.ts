/**
 * Reads a series log from a position on: for replication, live or later, and for looking at it.
 */
import type { ReadOptions, RecoveryMode, Visibility, Wal } from "@walnut/wal";
import type { SeriesEntry } from "../series-entry.ts";
import type { FilePins } from "./file-pins.ts";
import { StreamDecoder, type StreamEvent } from "./stream-decoder.ts";

/** What happened to a region. Applying these in order makes the memtables of the log. */
export type SeriesRecord =
  | {
      readonly kind: "points";
      readonly lsn: number;
      readonly region: number;
      readonly memtableId: string;
      readonly entries: readonly SeriesEntry[];
    }
  /** The region begins anew: forget its points, all of them follow. Not delivered to readers that have had them. */
  | {
      readonly kind: "restart";
      readonly lsn: number;
      readonly region: number;
      readonly memtableId: string;
    }
  /** The region was flushed. */
  | { readonly kind: "released"; readonly lsn: number; readonly region: number };

export interface SeriesReadOptions {
  /** First LSN to deliver; one more than that of the last record that the reader has dealt with. Default the first there is. */
  readonly from?: number | undefined;
  /** Waits for more at the end instead of ending. Default false. */
  readonly tail?: boolean | undefined;
  /** Ends a tail with `WAL_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** How far to see: only what survives a power loss ("durable", the default), or all that the system has. */
  readonly visibility?: Visibility | undefined;
}

/** Lost records end a read, unless the log was opened by somebody who knows of them. */
export function passingOverGaps(recovery: RecoveryMode): Pick<ReadOptions, "onGap"> {
  return recovery === "salvage" ? { onGap: () => undefined } : {};
}

export async function* readSeries(
  { wal, pins }: { readonly wal: Wal; readonly pins: FilePins },
  recovery: RecoveryMode,
  options: SeriesReadOptions,
): AsyncGenerator<SeriesRecord, undefined> {
  const { tail = false, signal, visibility } = options;
  const from = options.from ?? pins.firstLsn;
  const fileLsn = pins.fileOf(from);
  const start = { from: fileLsn, visibility, ...passingOverGaps(recovery) };
  const records = tail ? wal.tail({ ...start, signal }) : wal.read(start);
  const decoder = new StreamDecoder(fileLsn, recovery === "salvage");
  const had: RegionsHad = { whole: new Set(), since: new Set() };
  for await (const record of records) {
    const event = decoder.take(record);
    if (event === undefined || event.lsn < from) continue;
    const delivered = deliverable(event, from, had);
    if (delivered !== undefined) yield delivered;
  }
  return undefined;
}

/** What a reader has had of regions. */
interface RegionsHad {
  /** Everything up to now. */
  readonly whole: Set<number>;
  /** Everything since a restart that was delivered, perhaps not yet all of it. */
  readonly since: Set<number>;
}

/** Leaves out what a reader that began at `from` has had already. */
function deliverable(event: StreamEvent, from: number, had: RegionsHad): SeriesRecord | undefined {
  const { kind, lsn } = event;
  if (kind === "file") return undefined;
  const { region } = event;
  switch (kind) {
    case "released":
      had.whole.delete(region);
      had.since.delete(region);
      return { kind, lsn, region };
    case "restart":
      if (event.originLsn >= from || had.since.has(region)) had.whole.add(region);
      if (had.whole.has(region)) return undefined;
      had.since.add(region);
      return { kind, lsn, region, memtableId: event.memtableId };
    case "points": {
      const { memtableId, entries, isCarried } = event;
      if (isCarried && had.whole.has(region)) return undefined;
      return { kind, lsn, region, memtableId, entries };
    }
  }
}
