/**
 * The options of object storage as one value, checked: what no server can correct later stops the start.
 *
 * Whether bucket and credentials are good, only the bucket can say, and it may be away: that is looked at in the
 * background. Pure.
 */
import { ServerError } from "../errors.ts";
import type { ResolvedServerOptions, ServerOptions } from "../server-options.ts";

/** Keys of an account. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** How to reach a bucket. */
export interface S3Settings {
  readonly bucket: string;
  /** Beginning of every key: empty, or ending in a slash. */
  readonly prefix: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly forcePathStyle: boolean;
  /** Left out: AWS's chain. */
  readonly credentials: S3Credentials | undefined;
  readonly partSizeBytes: number;
  readonly concurrentUploads: number;
  readonly requestTimeoutMs: number;
}

/** Names that every S3 server takes; Amazon allows no others. */
const BUCKET_PATTERN = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const MAX_PREFIX_LENGTH = 200;

/**
 * What the options say of the bucket, or `undefined` when files stay local.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`
 */
export function resolveS3Settings(options: ResolvedServerOptions): S3Settings | undefined {
  if (options.storageBackend === "local") {
    if (options.releaseLog === "object") {
      throw invalid("releaseLog", 'releaseLog "object" needs storageBackend "s3"');
    }
    return undefined;
  }
  const endpoint = checkedEndpoint(options.s3Endpoint);
  return {
    bucket: checkedBucket(options.s3Bucket),
    prefix: checkedPrefix(options.s3Prefix),
    endpoint,
    region: options.s3Region ?? (endpoint === undefined ? undefined : "us-east-1"),
    forcePathStyle: options.s3ForcePathStyle ?? endpoint !== undefined,
    credentials: checkedCredentials(options),
    partSizeBytes: options.s3PartSizeBytes,
    concurrentUploads: options.s3ConcurrentUploads,
    requestTimeoutMs: options.s3RequestTimeoutMs,
  };
}

function checkedBucket(bucket: string | undefined): string {
  if (bucket === undefined) {
    throw invalid("s3Bucket", 'storageBackend "s3" needs the name of a bucket: s3Bucket');
  }
  if (BUCKET_PATTERN.test(bucket)) return bucket;
  throw invalid(
    "s3Bucket",
    `s3Bucket must be 3 to 63 of a-z, 0-9, "." and "-", found ${JSON.stringify(bucket)}`,
  );
}

function checkedPrefix(prefix: string | undefined): string {
  const bare = (prefix ?? "").replace(/^\/+|\/+$/g, "");
  if (bare === "") return "";
  if (bare.length <= MAX_PREFIX_LENGTH && !/\/\/|\p{Cc}/u.test(bare)) return `${bare}/`;
  throw invalid(
    "s3Prefix",
    `s3Prefix must have at most ${MAX_PREFIX_LENGTH} characters, none of them control characters, ` +
      "and no two slashes in a row",
  );
}

function checkedEndpoint(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === "") return endpoint;
  throw invalid(
    "s3Endpoint",
    "s3Endpoint must be a URL such as https://s3.example.org, without credentials in it",
  );
}

function checkedCredentials(options: ServerOptions): S3Credentials | undefined {
  const { s3AccessKeyId, s3SecretAccessKey, s3SessionToken } = options;
  if (s3AccessKeyId === undefined && s3SecretAccessKey === undefined) {
    if (s3SessionToken === undefined) return undefined;
    throw invalid("s3SessionToken", "s3SessionToken needs s3AccessKeyId and s3SecretAccessKey");
  }
  if (s3AccessKeyId === undefined || s3SecretAccessKey === undefined) {
    const missing = s3AccessKeyId === undefined ? "s3AccessKeyId" : "s3SecretAccessKey";
    throw invalid(
      missing,
      `s3AccessKeyId and s3SecretAccessKey go together; ${missing} is missing`,
    );
  }
  return {
    accessKeyId: s3AccessKeyId,
    secretAccessKey: s3SecretAccessKey,
    ...(s3SessionToken === undefined ? {} : { sessionToken: s3SessionToken }),
  };
}

function invalid(option: string, message: string): ServerError {
  return new ServerError("SERVER_INVALID_OPTION", message, { details: { option } });
}
