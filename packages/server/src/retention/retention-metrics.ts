/** The numbers of retention, as sources for /metrics. */
import type { MetricSource } from "../server-metrics.ts";
import type { RetentionStats } from "./retention.ts";

/** Looks at the ages of rows, and what went. */
export function retentionMetrics(stats: () => RetentionStats): readonly MetricSource[] {
  return [
    counter("retention_runs_total", "Looks for rows that are too old", () => stats().runs),
    counter("retention_failures_total", "Looks that failed", () => stats().failures),
    counter("retention_files_total", "Files that were too old", () => stats().expiredFiles),
    counter("retention_rows_total", "Rows of such files", () => stats().expiredRows),
    counter("retention_bytes_total", "Bytes of such files", () => stats().expiredBytes),
  ];
}

function counter(name: string, help: string, read: MetricSource["read"]): MetricSource {
  return { kind: "counter", name, help, read };
}
