/**
 * The parts of a series log that is kept on disk, wired to each other; a log with `wal: false` has none of them.
 */
import { joinPath, openWalWith, type Wal, type WalEnvironment } from "@walnut/wal";
import type { ResolvedSeriesLogOptions } from "../options.ts";
import { FilePins } from "./file-pins.ts";
import { FileWriter } from "./file-writer.ts";
import { LogRoom } from "./log-room.ts";
import type { Region } from "./region.ts";
import type { RegionTable } from "./region-table.ts";
import { Replay, type ReplayedLog } from "./replay.ts";
import { Reserve } from "./reserve.ts";
import { passingOverGaps } from "./series-reader.ts";
import { SlowRegions } from "./slow-regions.ts";
import { StreamDecoder } from "./stream-decoder.ts";
import { WriteQueue } from "./write-queue.ts";

const MIN_SEGMENT_BYTES = 8 * 1024 * 1024;
const MAX_SEGMENT_BYTES = 1024 * 1024 * 1024;

/** Largest record: a batch of points, with what a layout adds to it. */
const MAX_RECORD_BYTES = 128 * 1024 * 1024;

export interface LogParts {
  readonly wal: Wal;
  readonly files: FileWriter;
  readonly pins: FilePins;
  readonly queue: WriteQueue;
  readonly slow: SlowRegions;
  readonly room: LogRoom;
  /** Releases the files that nobody needs any more; never rejects. */
  readonly release: () => Promise<void>;
  readonly replayedPoints: number;
  /** Records that a salvage has lost, and those that cannot be read without them. */
  readonly lostRecords: number;
}

/** Opens the log in `DIRECTORY`, replays it into `regions`, and makes what writes to it. */
export async function openLogParts(
  environment: WalEnvironment,
  options: ResolvedSeriesLogOptions,
  regions: RegionTable,
): Promise<LogParts> {
  const wal = await openWalWith(environment, {
    directory: joinPath(options.directory, "wal"),
    durability: options.persistent ? options.durability : "interval",
    // Without persistence half the period is spent waiting in the buffer.
    syncIntervalMs: options.persistent
      ? options.forceWalPeriodMs
      : Math.floor(options.forceWalPeriodMs / 2),
    codec: options.compression,
    encryption: options.encryption,
    recovery: options.recovery,
    // Files are ended here, where their dictionaries begin; the log's own limits are out of the way.
    segmentSizeBytes: Math.min(
      MAX_SEGMENT_BYTES,
      Math.max(MIN_SEGMENT_BYTES, 2 * options.fileSizeBytes),
    ),
    segmentMaxAgeMs: 0,
    maxRecordBytes: MAX_RECORD_BYTES,
  });
  try {
    const pins = new FilePins(wal);
    const replayed = await replayLog(environment, options, { wal, pins });
    regions.restore(replayed);
    await pins.establish();
    const reserve = await Reserve.open(environment, options.directory);
    return wired(environment, options, { wal, pins, regions, reserve, replayed });
  } catch (error) {
    await wal.close().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  }
}

async function replayLog(
  environment: WalEnvironment,
  { memtable, recovery }: ResolvedSeriesLogOptions,
  { wal, pins }: { readonly wal: Wal; readonly pins: FilePins },
): Promise<ReplayedLog> {
  const { firstLsn } = pins;
  const decoder = new StreamDecoder(firstLsn, recovery === "salvage");
  const replay = new Replay(memtable, environment.nowMs(), pins, decoder);
  const reading = {
    from: firstLsn,
    visibility: "written",
    ...passingOverGaps(recovery),
  } as const;
  for await (const records of wal.readBatches(reading)) {
    for (const record of records) replay.take(record);
  }
  const hasLosses = (wal.recovery.salvage?.places.length ?? 0) > 0;
  return replay.finish(wal.positions.appendedLsn + 1, hasLosses);
}

interface OpenedLog {
  readonly wal: Wal;
  readonly pins: FilePins;
  readonly regions: RegionTable;
  readonly reserve: Reserve;
  readonly replayed: ReplayedLog;
}

function wired(
  environment: WalEnvironment,
  options: ResolvedSeriesLogOptions,
  { wal, pins, regions, reserve, replayed }: OpenedLog,
): LogParts {
  const held = (): Iterable<Region> => regions.all();
  const files = new FileWriter({
    wal,
    layout: options.layout,
    fileSizeBytes: options.fileSizeBytes,
    nextRegion: () => regions.nextNumber,
    onFile: (fileLsn) => pins.addFile(fileLsn),
    onFileBegun: () => environment.defer(() => void slow.relieve()),
  });
  const { maxHeldFiles, maxCarriedBytes, maxLogBytes, onFlushWanted } = options;
  const drained = (): Promise<void> => queue.drained();
  const room = new LogRoom({ wal, files, reserve, maxLogBytes, drained });
  const queue = new WriteQueue({
    files,
    room,
    isPersistent: options.persistent,
    bufferSizeBytes: options.bufferSizeBytes,
    flushThreshold: options.flushThreshold,
    halfBytes: Math.floor(options.walBufferSizeBytes / 2),
    holdMs: Math.floor(options.forceWalPeriodMs / 4),
    defer: (callback) => environment.defer(callback),
    setTimer: (delayMs, callback) => environment.setTimer(delayMs, callback, true),
  });
  const release = async (): Promise<void> => {
    await pins.release(held, () => {
      const presentLsn = files.fileLsn === 0 ? Number.POSITIVE_INFINITY : files.fileLsn;
      return Math.min(queue.underWayLsn, presentLsn);
    });
    await room.regain();
  };
  const limits = { maxHeldFiles, maxCarriedBytes, onFlushWanted };
  const slow = new SlowRegions({ queue, files, pins, room, regions: held, release, ...limits });
  const { points: replayedPoints, lostRecords } = replayed;
  return { wal, files, pins, queue, slow, room, release, replayedPoints, lostRecords };
}
