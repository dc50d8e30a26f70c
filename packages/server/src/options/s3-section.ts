/** Options of the section `[storage.s3]`: the bucket, and how to reach it. Used when `storage.backend` is "s3". */
import { MIB, type RowsOf } from "./option-row.ts";

/** Options of the section `[storage.s3]`. */
export interface S3Section {
  /** Name of the bucket. It must exist. */
  readonly s3Bucket?: string | undefined;
  /** Beginning of every key, without slashes at its ends. Default: none. */
  readonly s3Prefix?: string | undefined;
  /** Region of the bucket. Default: `AWS_REGION` or the profile; "us-east-1" beside an endpoint. */
  readonly s3Region?: string | undefined;
  /** URL of an S3-compatible server. Default: Amazon's of the region. */
  readonly s3Endpoint?: string | undefined;
  /** Whether the bucket is in the path of URLs instead of the host name. Default: true beside an endpoint. */
  readonly s3ForcePathStyle?: boolean | undefined;
  /**
   * Access key, together with `s3SecretAccessKey`. Default: the usual chain of AWS: environment, profile,
   * web identity, instance role.
   */
  readonly s3AccessKeyId?: string | undefined;
  /** Secret of the access key. */
  readonly s3SecretAccessKey?: string | undefined;
  /** Session token of temporary credentials. */
  readonly s3SessionToken?: string | undefined;
  /**
   * Larger files are uploaded in parts of this size. Memory: one part for each upload. Default 8 MiB.
   * Range 5 MiB to 512 MiB.
   */
  readonly s3PartSizeBytes?: number | undefined;
  /** Files uploaded at one time. Default 2. Range 1 to 32. */
  readonly s3ConcurrentUploads?: number | undefined;
  /** Longest time for the answer to one request, in milliseconds. Default 30,000. Range 100 to 600,000. */
  readonly s3RequestTimeoutMs?: number | undefined;
}

export const S3_SECTION: RowsOf<S3Section> = {
  s3Bucket: {
    kind: "text",
    toml: "storage.s3.bucket",
    flag: "s3-bucket",
    defaultText: "none",
    summary: "bucket of the Parquet files; it must exist",
  },
  s3Prefix: {
    kind: "text",
    toml: "storage.s3.prefix",
    flag: "s3-prefix",
    defaultText: "none",
    summary: "beginning of every key",
  },
  s3Region: {
    kind: "text",
    toml: "storage.s3.region",
    flag: "s3-region",
    defaultText: "`AWS_REGION` or the profile; us-east-1 beside an endpoint",
    summary: "region of the bucket",
  },
  s3Endpoint: {
    kind: "text",
    toml: "storage.s3.endpoint",
    flag: "s3-endpoint",
    defaultText: "Amazon's of the region",
    summary: "URL of an S3-compatible server",
  },
  s3ForcePathStyle: {
    kind: "boolean",
    toml: "storage.s3.force_path_style",
    flag: "s3-force-path-style",
    defaultText: "true beside an endpoint",
    summary: "the bucket is in the path of URLs, not in the host name",
  },
  s3AccessKeyId: {
    kind: "text",
    toml: "storage.s3.access_key_id",
    flag: "s3-access-key-id",
    defaultText: "AWS's chain: environment, profile, web identity, instance role",
    summary: "access key, together with its secret",
  },
  s3SecretAccessKey: {
    kind: "secret",
    toml: "storage.s3.secret_access_key",
    flag: "s3-secret-access-key",
    defaultText: "as above",
    summary: "secret of the access key",
  },
  s3SessionToken: {
    kind: "secret",
    toml: "storage.s3.session_token",
    flag: "s3-session-token",
    defaultText: "none",
    summary: "session token of temporary credentials",
  },
  s3PartSizeBytes: {
    kind: "integer",
    toml: "storage.s3.part_size_bytes",
    flag: "s3-part-size-bytes",
    unit: "bytes",
    min: 5 * MIB,
    max: 512 * MIB,
    default: 8 * MIB,
    summary: "larger files are uploaded in parts of this size",
  },
  s3ConcurrentUploads: {
    kind: "integer",
    toml: "storage.s3.concurrent_uploads",
    flag: "s3-concurrent-uploads",
    unit: "",
    min: 1,
    max: 32,
    default: 2,
    summary: "files uploaded at one time",
  },
  s3RequestTimeoutMs: {
    kind: "integer",
    toml: "storage.s3.request_timeout_ms",
    flag: "s3-request-timeout-ms",
    unit: "ms",
    min: 100,
    max: 600_000,
    default: 30_000,
    summary: "longest time for the answer to one request",
  },
};
