/**
 * The server's answer to `GET /api/v1/overview`, as far as the console reads it. Described in docs/http-api.md.
 *
 * Types only: the console trusts the server that it was loaded from.
 */

/** Counted values per bucket; the last bucket has no upper bound. */
export interface Histogram {
  /** Upper bounds, ascending, inclusive. */
  readonly bounds: readonly number[];
  /** One more than there are bounds. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export interface TableNumbers {
  readonly rows: number;
  readonly bytes: number;
  readonly rowsInMemory: number;
  readonly bytesInMemory: number;
  readonly files: number;
  readonly rowsOnDisk: number;
  readonly bytesOnDisk: number;
}

export interface TableOverview extends TableNumbers {
  readonly database: string;
  readonly measurement: string;
}

export interface SegmentOverview {
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly isSealed: boolean;
  readonly files: number;
}

export interface LogOverview {
  readonly shard: number;
  readonly directory: string;
  readonly state: "open" | "closing" | "closed" | "poisoned";
  readonly failure: string | null;
  readonly sizeBytes: number;
  readonly freeBytes: number | null;
  readonly segmentCount: number;
  readonly segments: readonly SegmentOverview[];
  readonly positions: {
    readonly firstLsn: number;
    readonly appendedLsn: number;
    readonly writtenLsn: number;
    readonly durableLsn: number;
    readonly flushedLsn: number;
  };
  readonly cursors: readonly { readonly name: string; readonly lsn: number }[];
  readonly spaceHolder: {
    readonly cursor: string;
    readonly lagRecords: number;
    readonly lagBytes: number;
    readonly lagMs: number;
  } | null;
  readonly totals: {
    readonly records: number;
    readonly writtenBytes: number;
    readonly syncs: number;
    readonly rotations: number;
    readonly releasedSegments: number;
  };
  readonly syncMs: Histogram & { readonly max: number };
}

export interface RequestOverview {
  readonly inFlight: number;
  readonly inFlightBytes: number;
  readonly writes: number;
  readonly rows: number;
  readonly bytes: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  readonly writeMs: Histogram;
}

export interface StoreOverview {
  readonly tables: number;
  readonly rowsInMemory: number;
  readonly bytesInMemory: number;
  readonly oldestUnflushedAgeMs: number;
  readonly files: number;
  readonly rowsOnDisk: number;
  readonly bytesOnDisk: number;
  readonly flushes: {
    readonly flushes: number;
    readonly flushedRows: number;
    readonly failures: number;
    readonly lastError: string | null;
  };
}

export interface Recovery {
  readonly segments: number;
  readonly records: number;
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly tornTailBytes: number;
}

export interface Progress {
  readonly phase: "scan" | "replay";
  readonly segmentsDone: number;
  readonly segmentsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly records: number;
  readonly rows: number;
  readonly bytesPerSecond?: number;
  readonly etaSeconds?: number;
}

export type Phase = "recovering" | "ready" | "stopping" | "failed" | "closed";

export interface WorkerOverview {
  readonly worker: number;
  readonly processId: number;
  readonly phase: Phase;
  readonly startedAtMs: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly requests: RequestOverview;
  readonly progress: Progress;
  readonly recovery: Recovery | null;
  readonly logs: readonly LogOverview[];
  readonly store: StoreOverview | null;
  readonly findings: readonly { readonly issue: string; readonly recommendation: string }[];
}

export interface Overview {
  readonly version: string;
  readonly nowMs: number;
  readonly durability: string;
  readonly survives: string | null;
  readonly limits: {
    readonly memoryBytes: number;
    readonly inFlightBytes: number;
    readonly segmentBytes: number;
    readonly flushAgeMs: number;
  };
  readonly status: "degraded" | Phase;
  readonly tables: readonly TableOverview[];
  readonly others: TableNumbers & { readonly tables: number };
  readonly workers: readonly WorkerOverview[];
  readonly silent: readonly { readonly worker: number; readonly reason: string }[];
}
