/** The status of a log as plain data, for tests of what is made of it. */
import type { SegmentStatus, WalStatus } from "@walnut/wal";

const MIB = 1_048_576;

/** A healthy log of two segments. */
export function walStatus(changes: Partial<WalStatus> = {}): WalStatus {
  return {
    directory: "/data/wal/worker-1",
    durability: "fdatasync",
    volume: { type: "ext4", isVolatile: false, isNetwork: false },
    survives: "a power loss",
    warnings: [],
    encryptionKeyId: undefined,
    state: "open",
    failure: undefined,
    positions: { firstLsn: 1, appendedLsn: 5_000, writtenLsn: 5_000, durableLsn: 5_000 },
    segments: [segmentStatus(1), segmentStatus(2, { sizeBytes: 45.2 * MIB, isSealed: false })],
    cursors: [{ name: "parquet", lsn: 4_990 }],
    totals: {
      appendedRecords: 5_000,
      appendedBytes: 47_382_528,
      writtenBytes: 48_000_000,
      frames: 5_000,
      syncs: 4_000,
      rotations: 2,
      releasedSegments: 1,
    },
    pendingBytes: 0,
    activeSegmentAgeMs: 1_850_999,
    releaseFailure: undefined,
    dropped: undefined,
    waitingForRoom: 0,
    ...changes,
  };
}

/** A sealed segment of 10 MiB. */
export function segmentStatus(
  segmentId: number,
  changes: Partial<SegmentStatus> = {},
): SegmentStatus {
  return {
    segmentId,
    name: `${segmentId}.wal`,
    path: `/data/wal/worker-1/${segmentId}.wal`,
    sizeBytes: 10 * MIB,
    firstLsn: 1,
    lastLsn: 1,
    createdAtMs: 0,
    isSealed: true,
    ...changes,
  };
}
