/**
 * The answer of `GET /api/v1/overview`, as the server gives it and the console reads it. Described in docs/http-api.md.
 *
 * Types only, of plain values that JSON can carry: the server's compiler checks what it answers, the console's what it
 * reads, and nothing of one is loaded by the other.
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

/** Numbers of one table, or of several together. */
export interface TableNumbers {
  /** Accepted since the start of the process. */
  readonly rows: number;
  readonly bytes: number;
  /** Rows that are not in Parquet yet, and their bytes. */
  readonly rowsInMemory: number;
  readonly bytesInMemory: number;
  readonly files: number;
  readonly rowsOnDisk: number;
  readonly bytesOnDisk: number;
}

/** One table. */
export interface TableOverview extends TableNumbers {
  readonly database: string;
  readonly measurement: string;
  /** Rows of late, older ones counting less: for comparing how busy tables are, not for showing. */
  readonly recentRows: number;
}

/** The busiest tables, and the sum of the others. */
export interface TablesOverview {
  readonly tables: readonly TableOverview[];
  readonly others: TableNumbers & { readonly tables: number };
}

/** One segment, or several old ones drawn as one. */
export interface SegmentOverview {
  readonly firstLsn: number;
  /** `firstLsn - 1` when there is no record in it. */
  readonly lastLsn: number;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly isSealed: boolean;
  /** Files that this entry stands for: 1 but for the oldest entry of a very long log. */
  readonly files: number;
}

/** A log as one moment shows it. */
export interface LogOverview {
  readonly shard: number;
  readonly directory: string;
  readonly state: "open" | "closing" | "closed" | "poisoned";
  readonly failure: string | null;
  readonly sizeBytes: number;
  /** Bytes free on the log's device for the server's user; `null` when the system did not say. */
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
    readonly lsn: number;
    readonly lagRecords: number;
    readonly lagBytes: number;
    readonly lagMs: number;
  } | null;
  readonly pendingBytes: number;
  readonly totals: {
    readonly records: number;
    readonly bytes: number;
    readonly writtenBytes: number;
    readonly syncs: number;
    readonly groups: number;
    readonly rotations: number;
    readonly releasedSegments: number;
  };
  /** Milliseconds per synced write and sync since the start. */
  readonly syncMs: Histogram & { readonly max: number };
}

/** Requests of one worker, counted since its start. */
export interface RequestOverview {
  readonly inFlight: number;
  readonly inFlightBytes: number;
  /** Accepted writes, their rows, and the bytes of their bodies after decompression. */
  readonly writes: number;
  readonly rows: number;
  readonly bytes: number;
  /** Answers by HTTP status. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** Refusals by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds of write requests, refused ones included. */
  readonly writeMs: Histogram;
}

/** Rows on their way to Parquet, and in it. */
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
    readonly flushedFiles: number;
    readonly flushedBytes: number;
    readonly failures: number;
    readonly lastError: string | null;
  };
  /** Files on their way to object storage; `null` where files stay local. */
  readonly uploads: {
    /** Files that wait, and how long the oldest has waited. */
    readonly pendingFiles: number;
    readonly pendingBytes: number;
    readonly oldestPendingMs: number;
    readonly uploadedFiles: number;
    readonly uploadedBytes: number;
    readonly failures: number;
    /** Until an upload succeeds. */
    readonly lastError: string | null;
  } | null;
}

/** What the last start found and did. */
export interface RecoveryOverview {
  readonly segments: number;
  readonly records: number;
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Bytes of an unfinished last write that were cut off. */
  readonly tornTailBytes: number;
}

/** How far a start has come. */
export interface RecoveryProgressOverview {
  readonly phase: "scan" | "replay";
  readonly segmentsDone: number;
  readonly segmentsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly records: number;
  readonly rows: number;
  /** Left out while it is too early to say. */
  readonly bytesPerSecond?: number | undefined;
  readonly etaSeconds?: number | undefined;
}

/** Where a worker is in its life. */
export type Phase = "recovering" | "ready" | "stopping" | "failed" | "closed";

/** One worker at one moment. */
export interface WorkerOverview {
  readonly worker: number;
  readonly processId: number;
  readonly phase: Phase;
  readonly startedAtMs: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly requests: RequestOverview;
  readonly progress: RecoveryProgressOverview;
  /** `null` until the start is done. */
  readonly recovery: RecoveryOverview | null;
  /** Its own log first, then those that it has adopted; none until recovery has opened them. */
  readonly logs: readonly LogOverview[];
  /** `null` until recovery has opened it. */
  readonly store: StoreOverview | null;
  readonly findings: readonly { readonly issue: string; readonly recommendation: string }[];
}

/** One category of a forwarder: a queue, from taking items to shipping them. */
export interface ForwardedCategory {
  readonly name: string;
  /** idle, sending, retrying, paused, failed. */
  readonly state: string;
  /** Items that are not shipped, and their bytes on disk, nearly. */
  readonly depth: number;
  readonly depthBytes: number;
  /** Age of the oldest of them; 0 without one. */
  readonly oldestAgeMs: number;
  /** Taken, and stored upstream, since the agent started; rates are those of its last ten seconds. */
  readonly putItems: number;
  readonly putItemsPerSecond: number;
  readonly shippedItems: number;
  readonly shippedItemsPerSecond: number;
  readonly requests: number;
  /** Requests that had to be sent again. */
  readonly retries: number;
  /** Items that were refused, and dropped, because there was no room. */
  readonly refusedItems: number;
  readonly droppedItems: number;
  readonly deadLetters: number;
  /** Why the last try failed; `null` when it did not. */
  readonly lastFailure: string | null;
}

/** A forwarder as it describes itself. */
export interface ForwarderStatus {
  /** The upstream, without credentials. */
  readonly to: string;
  readonly state: "running" | "paused";
  readonly directory: string;
  /** What an item survives that was taken, in words. */
  readonly survives: string;
  readonly warnings: readonly string[];
  readonly depth: number;
  readonly deadLetters: number;
  /** Bytes of the spool, and what they may come to. */
  readonly sizeBytes: number;
  readonly maxTotalBytes: number;
  readonly categories: readonly ForwardedCategory[];
}

/** The forwarder beside the server: its status, or why there is none. */
export type ForwarderOverview =
  | { readonly kind: "answered"; readonly listen: string; readonly status: ForwarderStatus }
  | {
      /** Nobody listens there; something does, and gives no status; it has been asked and may yet answer. */
      readonly kind: "not-running" | "no-answer" | "unknown";
      readonly listen: string;
      readonly reason: string;
    };

/** The whole answer. */
export interface Overview extends TablesOverview {
  readonly version: string;
  readonly nowMs: number;
  readonly durability: string;
  /** What the level survives, in words; `null` while it is not known. */
  readonly survives: string | null;
  readonly limits: {
    readonly memoryBytes: number;
    readonly inFlightBytes: number;
    readonly segmentBytes: number;
    readonly flushAgeMs: number;
  };
  /** "ready" when all workers are and nothing is wrong with them. */
  readonly status: "degraded" | Phase;
  readonly workers: readonly WorkerOverview[];
  /** `null` where the configuration names none. */
  readonly forwarder: ForwarderOverview | null;
  /** Workers that did not answer, and why. */
  readonly silent: readonly { readonly worker: number; readonly reason: string }[];
}
