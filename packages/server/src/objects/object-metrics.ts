/** The numbers of object storage, as sources for /metrics: uploads and cache. They stay 0 when files stay local. */
import type { MetricSource } from "../server-metrics.ts";
import type { FileCacheStats } from "./file-cache.ts";
import type { UploadStats } from "./uploader.ts";

const MS_PER_SECOND = 1_000;

/** Where the numbers come from; `undefined` when there is no object storage. */
export interface ObjectMetricSources {
  readonly uploads: () => UploadStats | undefined;
  readonly cache: () => FileCacheStats | undefined;
}

/** Uploads and cache. */
export function objectMetrics({ uploads, cache }: ObjectMetricSources): readonly MetricSource[] {
  return [
    gauge("upload_pending_files", "Files waiting for their upload", () => uploads()?.pendingFiles),
    gauge(
      "upload_pending_bytes",
      "Bytes of files waiting for their upload",
      () => uploads()?.pendingBytes,
    ),
    gauge("upload_oldest_pending_seconds", "Time the oldest of them has waited", () => {
      const oldestMs = uploads()?.oldestPendingMs;
      return oldestMs === undefined ? undefined : oldestMs / MS_PER_SECOND;
    }),
    counter("uploaded_files_total", "Files uploaded", () => uploads()?.uploadedFiles),
    counter("uploaded_bytes_total", "Bytes uploaded", () => uploads()?.uploadedBytes),
    counter("upload_failures_total", "Uploads that failed", () => uploads()?.failures),
    counter("upload_retries_total", "Uploads tried after a failure", () => uploads()?.retries),
    gauge("cache_files", "Files of object storage in the cache", () => cache()?.files),
    gauge("cache_bytes", "Bytes of files in the cache", () => cache()?.bytes),
    gauge("cache_limit_bytes", "Limit of cache_bytes", () => cache()?.maxBytes),
    counter("cache_hits_total", "Files of queries found in the cache", () => cache()?.hits),
    counter("cache_misses_total", "Files of queries fetched", () => cache()?.misses),
    counter("cache_evictions_total", "Files removed to make room", () => cache()?.evictions),
    counter("downloaded_bytes_total", "Bytes fetched", () => cache()?.downloadedBytes),
    counter("download_failures_total", "Fetches that failed", () => cache()?.downloadFailures),
  ];
}

function gauge(name: string, help: string, read: MetricSource["read"]): MetricSource {
  return { kind: "gauge", name, help, read };
}

function counter(name: string, help: string, read: MetricSource["read"]): MetricSource {
  return { kind: "counter", name, help, read };
}
