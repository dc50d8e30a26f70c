/** Parameters and answer of `/api/v1/overview` as schemas: checked where they come in, and in the API's document. */
import type { Overview } from "@walnut/console";
import * as z from "zod";

const DEFAULT_TABLES = 50;
const MAX_TABLES = 1_000;

const count = z.int().min(0);
const milliseconds = z.number().min(0);

/** Query parameters. */
export const OVERVIEW_PARAMETERS: z.ZodType<{ readonly tables: number }> = z.object({
  tables: z.coerce
    .number()
    .int()
    .min(0)
    .max(MAX_TABLES)
    .default(DEFAULT_TABLES)
    .meta({ description: "tables to list by name; the others are summed" }),
});

const histogram = z.strictObject({
  bounds: z.array(z.number()),
  counts: z.array(count).meta({ description: "per bucket, and one above all bounds" }),
  count,
  sum: z.number(),
});

const TABLE_NUMBERS = {
  rows: count.meta({ description: "accepted since the start of the process" }),
  bytes: count,
  rowsInMemory: count,
  bytesInMemory: count,
  files: count,
  rowsOnDisk: count,
  bytesOnDisk: count,
};

const log = z.strictObject({
  shard: count,
  directory: z.string(),
  state: z.enum(["open", "closing", "closed", "poisoned"]),
  failure: z.string().nullable(),
  sizeBytes: count,
  freeBytes: count.nullable(),
  segmentCount: count,
  segments: z.array(
    z.strictObject({
      firstLsn: count,
      lastLsn: count,
      sizeBytes: count,
      createdAtMs: milliseconds,
      isSealed: z.boolean(),
      files: count,
    }),
  ),
  positions: z.strictObject({
    firstLsn: count,
    appendedLsn: count,
    writtenLsn: count,
    durableLsn: count,
    flushedLsn: count,
  }),
  cursors: z.array(z.strictObject({ name: z.string(), lsn: count })),
  spaceHolder: z
    .strictObject({
      cursor: z.string(),
      lsn: count,
      lagRecords: count,
      lagBytes: count,
      lagMs: milliseconds,
    })
    .nullable(),
  pendingBytes: count,
  totals: z.strictObject({
    records: count,
    bytes: count,
    writtenBytes: count,
    syncs: count,
    groups: count,
    rotations: count,
    releasedSegments: count,
  }),
  syncMs: histogram.extend({ max: z.number() }),
});

const worker = z.strictObject({
  worker: count,
  processId: count,
  phase: z.enum(["recovering", "ready", "stopping", "failed", "closed"]),
  startedAtMs: milliseconds,
  residentBytes: count,
  cpuSeconds: z.number(),
  requests: z.strictObject({
    inFlight: count,
    inFlightBytes: count,
    writes: count,
    rows: count,
    bytes: count,
    byStatus: z.record(z.string(), count),
    errors: z.record(z.string(), count),
    writeMs: histogram,
  }),
  progress: z.strictObject({
    phase: z.enum(["scan", "replay"]),
    segmentsDone: count,
    segmentsTotal: count,
    bytesDone: count,
    bytesTotal: count,
    records: count,
    rows: count,
    bytesPerSecond: z.number().min(0).optional(),
    etaSeconds: z.number().min(0).optional(),
    elapsedMs: milliseconds,
  }),
  recovery: z
    .strictObject({
      segments: count,
      records: count,
      rows: count,
      bytes: count,
      durationMs: milliseconds,
      tornTailBytes: count,
    })
    .nullable(),
  logs: z.array(log),
  store: z
    .strictObject({
      tables: count,
      rowsInMemory: count,
      bytesInMemory: count,
      oldestUnflushedAgeMs: milliseconds,
      files: count,
      rowsOnDisk: count,
      bytesOnDisk: count,
      flushes: z.strictObject({
        flushes: count,
        flushedRows: count,
        flushedFiles: count,
        flushedBytes: count,
        failures: count,
        lastError: z.string().nullable(),
      }),
      uploads: z
        .strictObject({
          pendingFiles: count,
          pendingBytes: count,
          oldestPendingMs: milliseconds,
          uploadedFiles: count,
          uploadedBytes: count,
          failures: count,
          lastError: z.string().nullable(),
        })
        .nullable(),
    })
    .nullable(),
  findings: z.array(z.strictObject({ issue: z.string(), recommendation: z.string() })),
});

const forwardedCategory = z.strictObject({
  name: z.string(),
  state: z.string(),
  depth: count,
  depthBytes: count,
  oldestAgeMs: milliseconds,
  putItems: count,
  putItemsPerSecond: z.number().min(0),
  shippedItems: count,
  shippedItemsPerSecond: z.number().min(0),
  requests: count,
  retries: count,
  refusedItems: count,
  droppedItems: count,
  deadLetters: count,
  lastFailure: z.string().nullable(),
});

const forwarder = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("answered"),
    listen: z.string(),
    status: z.strictObject({
      to: z.string(),
      state: z.enum(["running", "paused"]),
      directory: z.string(),
      survives: z.string(),
      warnings: z.array(z.string()),
      depth: count,
      deadLetters: count,
      sizeBytes: count,
      maxTotalBytes: count,
      categories: z.array(forwardedCategory),
    }),
  }),
  z.strictObject({
    kind: z.enum(["not-running", "no-answer", "unknown"]),
    listen: z.string(),
    reason: z.string(),
  }),
]);

/** The answer. */
export const OVERVIEW_ANSWER: z.ZodType<Overview> = z.strictObject({
  version: z.string(),
  nowMs: milliseconds,
  durability: z.string(),
  survives: z.string().nullable(),
  limits: z.strictObject({
    memoryBytes: count,
    inFlightBytes: count,
    segmentBytes: count,
    flushAgeMs: milliseconds,
  }),
  status: z.enum(["ready", "degraded", "recovering", "stopping", "failed", "closed"]),
  tables: z.array(
    z.strictObject({
      database: z.string(),
      measurement: z.string(),
      ...TABLE_NUMBERS,
      recentRows: z.number(),
    }),
  ),
  others: z.strictObject({ ...TABLE_NUMBERS, tables: count }),
  workers: z.array(worker),
  forwarder: forwarder
    .nullable()
    .meta({ description: "an agent on this host, if one is configured" }),
  silent: z.array(z.strictObject({ worker: count, reason: z.string() })),
});
