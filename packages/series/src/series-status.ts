/** What a series log says about itself: plain data for status pages, logs and tests. */
import type { WalStatus } from "@walnut/wal";
import type { FilePins } from "./log/file-pins.ts";
import type { Region, RegionState } from "./log/region.ts";
import type { SeriesLayout } from "./log/log-record.ts";

/** One region that holds a part of the log. */
export interface RegionStatus {
  readonly memtableId: string;
  readonly region: number;
  readonly state: RegionState;
  readonly points: number;
  readonly valueBytes: number;
  /** Files of the log that cannot go because of it (and perhaps of others), and when its first point came (or was found). */
  readonly heldFiles: number;
  readonly sinceMs: number;
}

export interface SeriesStatus {
  readonly state: "open" | "closed" | "failed";
  readonly layout: SeriesLayout;
  /** Files of the log, and the bytes in them. */
  readonly files: number;
  readonly logBytes: number;
  /** Bytes that wait to be handed to the log, and those that are on their way. */
  readonly workingBytes: number;
  readonly flushingBytes: number;
  /** Points that a restart found, and those that were carried forward since. */
  readonly replayedPoints: number;
  readonly carriedPoints: number;
  /** Records of the log that a salvage has lost, or that cannot be read without those; see docs/series.md, "Damage". */
  readonly lostRecords: number;
  /** Regions with points that were not released; who holds most files first. */
  readonly regions: readonly RegionStatus[];
  /** Why files could not be released at the last attempt. */
  readonly releaseFailure: string | undefined;
  /** The log underneath; `undefined` with `wal: false`. */
  readonly wal: WalStatus | undefined;
}

/** Regions as a status shows them. */
export function regionStatuses(
  regions: Iterable<Region>,
  pins: FilePins | undefined,
): readonly RegionStatus[] {
  const statuses = [...regions].map((region) => ({
    memtableId: region.memtableId,
    region: region.number,
    state: region.state,
    points: region.points,
    valueBytes: region.bytes,
    heldFiles: pins?.filesFrom(region.pinLsn) ?? 0,
    sinceMs: region.sinceMs,
  }));
  return statuses.sort((a, b) => b.heldFiles - a.heldFiles || a.region - b.region);
}
