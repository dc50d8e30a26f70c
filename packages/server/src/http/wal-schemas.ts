/**
 * Parameters and answers of the routes of the log, as schemas: checked where they come in, and in the API's document.
 */
import { z } from "zod";

const count = z.int().min(0);
const megabytes = z.number().min(0).meta({ description: "in MiB" });
const worker = z.int().min(1).meta({ description: "number of the shard" });

const unavailable = z
  .array(z.strictObject({ worker: z.int(), code: z.string(), message: z.string() }))
  .meta({ description: "workers that did not answer" });

const TOTALS = {
  current_size_mb: megabytes,
  current_age_seconds: count,
  total_entries: count,
  total_bytes: count,
  total_syncs: count,
  total_rotations: count,
  written_bytes: count,
  segments: count,
};

const totals = z.strictObject(TOTALS);
const state = z.enum(["open", "closing", "closed", "poisoned"]);

export const WAL_STATUS_ANSWER: z.ZodType = z.strictObject({
  enabled: z.boolean(),
  configuration: z.strictObject({
    sync_mode: z.string().nullable(),
    worker_id: worker.nullable(),
    current_file: z.string().nullable(),
    directory: z.string().nullable(),
    survives: z.string().nullable(),
  }),
  stats: totals,
  state,
  failure: z.string().nullable(),
  workers: z.array(
    z.strictObject({
      worker_id: worker,
      state,
      failure: z.string().nullable(),
      current_file: z.string().nullable(),
      directory: z.string(),
      stats: totals,
      positions: z.strictObject({
        firstLsn: count,
        appendedLsn: count,
        writtenLsn: count,
        durableLsn: count,
        flushedLsn: count,
      }),
      segments: count,
    }),
  ),
  unavailable,
});

export const WAL_STATS_ANSWER: z.ZodType = z.strictObject({
  worker_id: worker.nullable(),
  current_file: z.string().nullable(),
  sync_mode: z.string().nullable(),
  ...TOTALS,
  workers: z.array(
    z.strictObject({
      worker_id: worker,
      ...TOTALS,
      groups: count,
      frames: count,
      released_segments: count,
      pending_bytes: count,
      waiting_appends: count,
      sync_ms: z.strictObject({
        count,
        mean: z.number(),
        p50: z.number(),
        p99: z.number(),
        max: z.number(),
      }),
    }),
  ),
  unavailable,
});

const FILE = {
  name: z.string(),
  size_mb: megabytes,
  modified: z.int().meta({ description: "seconds since 1970" }),
  path: z.string(),
  size_bytes: count,
  worker_id: worker,
};

export const WAL_FILES_ANSWER: z.ZodType = z.strictObject({
  active: z.array(z.strictObject(FILE)),
  recovered: z.array(z.strictObject(FILE)).meta({ description: "archived segments" }),
  total_size_mb: megabytes,
  wal_directory: z.string().nullable(),
  workers: z.array(z.strictObject({ worker_id: worker, wal_directory: z.string() })),
  unavailable,
});

export const WAL_HEALTH_ANSWER: z.ZodType = z.strictObject({
  healthy: z.boolean(),
  status: z.enum(["healthy", "degraded"]),
  wal_enabled: z.boolean(),
  issues: z.array(z.string()),
  recommendations: z.array(z.string()).meta({ description: "one for each issue" }),
  stats_summary: z.strictObject({
    segments: count,
    size_mb: megabytes,
    free_mb: megabytes.nullable(),
    unflushed_records: count,
    memory_mb: megabytes,
    flush_failures: count,
    total_entries: count,
    total_syncs: count,
  }),
  limits: z.strictObject({
    min_free_mb: megabytes,
    max_memory_mb: megabytes,
    max_unflushed_seconds: z.number(),
    max_log_mb: megabytes.nullable(),
  }),
});

export const WAL_RECOVERY_ANSWER: z.ZodType = z.strictObject({
  history: z
    .array(
      z.strictObject({
        worker_id: worker,
        started: z.iso.datetime(),
        outcome: z.enum(["recovered", "failed"]),
        duration_ms: count,
        files: count,
        records: count,
        rows: count,
        bytes: count,
        torn_tail_bytes: count,
        damage: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
      }),
    )
    .meta({ description: "newest first" }),
  last_recovery: z.iso.datetime().nullable(),
  total_recovered: count,
  unreadable: z.array(z.string()).meta({ description: "histories that cannot be read, and why" }),
  unavailable,
});

export const WAL_CURSORS_ANSWER: z.ZodType = z.strictObject({
  cursors: z.array(
    z.strictObject({
      worker_id: worker,
      name: z.string(),
      lsn: count,
      lag_records: count,
      lag_bytes: count.nullable(),
      lag_seconds: z.number().nullable(),
      holds_space: z.boolean(),
    }),
  ),
  unavailable,
});

/** Query of `POST cleanup`, as text. */
export const WAL_CLEANUP_PARAMETERS: z.ZodObject = z.strictObject({
  max_age_hours: z
    .string()
    .regex(/^\d{1,6}(\.\d{1,6})?$/)
    .optional()
    .meta({ description: "archived segments that were last changed longer ago go; default 24" }),
  dry_run: z.enum(["true", "false"]).optional().meta({ description: "only say what would go" }),
});

export const WAL_CLEANUP_ANSWER: z.ZodType = z.strictObject({
  deleted_count: count,
  freed_mb: megabytes,
  max_age_hours: z.number(),
  message: z.string(),
  dry_run: z.boolean(),
  files: z.array(z.strictObject({ ...FILE, reason: z.string() })),
});

export const WAL_ROTATE_ANSWER: z.ZodType = z.strictObject({
  success: z.literal(true),
  workers: z.array(
    z.strictObject({
      worker_id: worker,
      sealed: z.string().nullable().meta({ description: "null: there was nothing in the segment" }),
      segments: count,
    }),
  ),
});

export const WAL_FLUSH_ANSWER: z.ZodType = z.strictObject({
  success: z.literal(true),
  workers: z.array(
    z.strictObject({ worker_id: worker, flushed_lsn: count, rows: count, files: count }),
  ),
});

const lsn = count.nullable();

export const WAL_VERIFY_ANSWER: z.ZodType = z.strictObject({
  valid: z.boolean(),
  workers: z.array(
    z.strictObject({
      worker_id: worker,
      directory: z.string(),
      duration_ms: count,
      records: count,
      verified_bytes: count,
      first_lsn: count,
      last_lsn: count,
      unfinished_bytes: count.meta({ description: "being written now; not damage" }),
      segments: z.array(
        z.strictObject({
          path: z.string(),
          valid: z.boolean(),
          first_lsn: count,
          last_lsn: count,
          frames: count,
          records: count,
          verified_bytes: count,
          damaged_bytes: count,
        }),
      ),
    }),
  ),
  damage: z.array(
    z.strictObject({
      worker_id: worker,
      kind: z.string(),
      path: z.string(),
      offset_bytes: count,
      end_offset_bytes: count,
      first_lsn: lsn,
      last_lsn: lsn,
      reason: z.string(),
    }),
  ),
});
