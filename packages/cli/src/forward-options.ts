/**
 * Options of `walnut forward` as rows: sections `[forward]` and `[forward.wal]` of walnut.toml, flags, variables. Pure data.
 *
 * Variables begin with WALNUT_FORWARD_; those of the agents that it takes the place of are honoured as well.
 */
import type { OptionRow, OptionSpec } from "@walnut/server";

const MIB = 1_024 * 1_024;
const GIB = 1_024 * MIB;
const HOUR_MS = 3_600_000;
const MAX_BYTES = 1_024 * GIB;

/** Names of the options, as the agent has them. */
export type ForwardOptionName =
  | "to"
  | "listen"
  | "listenToken"
  | "protocol"
  | "bucket"
  | "org"
  | "token"
  | "caFile"
  | "encoding"
  | "workers"
  | "maxBatchItems"
  | "maxBatchBytes"
  | "lingerMs"
  | "requestTimeoutMs"
  | "retryMaxDelayMs"
  | "walPath"
  | "categories"
  | "durability"
  | "maxBytesPerCategory"
  | "maxTotalBytes"
  | "guaranteedBytes"
  | "reserveFreeBytes"
  | "segmentSizeBytes"
  | "whenFull"
  | "blockTimeoutMs"
  | "noDropCategories"
  | "maxDeadLetterBytes";

const ROWS: Readonly<Record<ForwardOptionName, OptionRow>> = {
  to: {
    kind: "text",
    toml: "forward.to",
    flag: "to",
    variable: "WALNUT_FORWARD_TO",
    defaultText: "none: it has to be given",
    summary: "address of the upstream: https://host:8000",
  },
  listen: {
    kind: "text",
    toml: "forward.listen",
    flag: "listen",
    variable: "WALNUT_FORWARD_LISTEN",
    default: "127.0.0.1:9529",
    summary: "address and port for producers; port 0 lets the system choose",
  },
  listenToken: {
    kind: "secret",
    toml: "forward.listen_token",
    flag: "listen-token",
    variable: "WALNUT_FORWARD_LISTEN_TOKEN",
    defaultText: "none: whoever reaches the port may write",
    summary: "token that producers and commands must send",
  },
  protocol: {
    kind: "choice",
    toml: "forward.protocol",
    flag: "protocol",
    variable: "WALNUT_FORWARD_PROTOCOL",
    choices: ["auto", "category", "line-protocol"],
    default: "auto",
    summary:
      "category: POST /v1/write/{category}; line-protocol: /api/v2/write, for Walnut and InfluxDB; auto asks /ping",
  },
  bucket: {
    kind: "text",
    toml: "forward.bucket",
    flag: "bucket",
    variable: "WALNUT_FORWARD_BUCKET",
    defaultText: "the name of their category",
    summary: "line-protocol: bucket, or database, of items that name none",
  },
  org: {
    kind: "text",
    toml: "forward.org",
    flag: "org",
    variable: "WALNUT_FORWARD_ORG",
    defaultText: "none",
    summary: "line-protocol: organisation, for InfluxDB 2",
  },
  token: {
    kind: "secret",
    toml: "forward.token",
    flag: "token",
    variable: "WALNUT_FORWARD_TOKEN",
    defaultText: "none",
    summary: "token for the upstream",
  },
  caFile: {
    kind: "text",
    toml: "forward.ca_file",
    flag: "ca-file",
    variable: "WALNUT_FORWARD_CA_FILE",
    defaultText: "those that Node trusts",
    summary: "file with certificates to trust, PEM",
  },
  encoding: {
    kind: "choice",
    toml: "forward.encoding",
    flag: "encoding",
    variable: "WALNUT_FORWARD_ENCODING",
    choices: ["none", "gzip", "zstd"],
    default: "gzip",
    summary: "compression of requests; zstd needs Node 22.15, or the package @cloudpss/zstd",
  },
  workers: {
    kind: "integer",
    toml: "forward.workers",
    flag: "workers",
    variable: "WALNUT_FORWARD_WORKERS",
    unit: "",
    min: 1,
    max: 256,
    default: 4,
    spellings: [{ variable: "ENV_DATAWAY_WAL_WORKERS" }],
    summary: "requests under way at one time, of different categories",
  },
  maxBatchItems: {
    kind: "integer",
    toml: "forward.max_batch_items",
    flag: "max-batch-items",
    variable: "WALNUT_FORWARD_MAX_BATCH_ITEMS",
    unit: "items",
    min: 1,
    max: 1_000_000,
    default: 10_000,
    summary: "most items of one request",
  },
  maxBatchBytes: {
    kind: "integer",
    toml: "forward.max_batch_bytes",
    flag: "max-batch-bytes",
    variable: "WALNUT_FORWARD_MAX_BATCH_BYTES",
    unit: "bytes",
    min: 1,
    max: 128 * MIB,
    default: MIB,
    summary: "bytes after which a request holds enough, before compression",
  },
  lingerMs: {
    kind: "integer",
    toml: "forward.linger_ms",
    flag: "linger-ms",
    variable: "WALNUT_FORWARD_LINGER_MS",
    unit: "ms",
    min: 0,
    max: HOUR_MS,
    default: 200,
    summary: "how long a request waits for more items",
  },
  requestTimeoutMs: {
    kind: "integer",
    toml: "forward.request_timeout_ms",
    flag: "request-timeout-ms",
    variable: "WALNUT_FORWARD_REQUEST_TIMEOUT_MS",
    unit: "ms",
    min: 1,
    max: HOUR_MS,
    default: 30_000,
    summary: "a request without an answer after this long is sent again",
  },
  retryMaxDelayMs: {
    kind: "integer",
    toml: "forward.retry_max_delay_ms",
    flag: "retry-max-delay-ms",
    variable: "WALNUT_FORWARD_RETRY_MAX_DELAY_MS",
    unit: "ms",
    min: 1,
    max: HOUR_MS,
    default: 30_000,
    summary:
      "longest pause before a request is sent again; it begins with half a second and doubles",
  },
  walPath: {
    kind: "text",
    toml: "forward.wal.path",
    flag: "wal-path",
    variable: "WALNUT_FORWARD_WAL_PATH",
    default: "./spool",
    spellings: [{ variable: "ENV_DATAWAY_WAL_PATH" }],
    summary: "directory of the spool, with one for each category",
  },
  categories: {
    kind: "text",
    toml: "forward.wal.categories",
    flag: "categories",
    variable: "WALNUT_FORWARD_CATEGORIES",
    defaultText: "custom_object to tracing, thirteen of them",
    summary: "names of categories, with commas between",
  },
  durability: {
    kind: "choice",
    toml: "forward.wal.durability",
    flag: "durability",
    variable: "WALNUT_FORWARD_WAL_DURABILITY",
    choices: ["fsync", "fdatasync", "interval", "async", "memory"],
    default: "fdatasync",
    summary: "when a write is answered",
  },
  maxBytesPerCategory: {
    kind: "integer",
    toml: "forward.wal.max_bytes_per_category",
    flag: "max-bytes-per-category",
    variable: "WALNUT_FORWARD_WAL_MAX_BYTES_PER_CATEGORY",
    unit: "bytes",
    min: 64 * 1_024,
    max: MAX_BYTES,
    default: 2 * GIB,
    spellings: [{ variable: "ENV_DATAWAY_WAL_CAPACITY", scale: GIB }],
    summary: "most bytes of one category",
  },
  maxTotalBytes: {
    kind: "integer",
    toml: "forward.wal.max_total_bytes",
    flag: "max-total-bytes",
    variable: "WALNUT_FORWARD_WAL_MAX_TOTAL_BYTES",
    unit: "bytes",
    min: 64 * 1_024,
    max: MAX_BYTES,
    defaultText: "nine tenths of the volume, or all categories' limits",
    summary: "most bytes of all categories",
  },
  guaranteedBytes: {
    kind: "integer",
    toml: "forward.wal.guaranteed_bytes",
    flag: "guaranteed-bytes",
    variable: "WALNUT_FORWARD_WAL_GUARANTEED_BYTES",
    unit: "bytes",
    min: 0,
    max: MAX_BYTES,
    defaultText: "a quarter of the budget shared out, at most 64 MiB each",
    summary: "bytes that no other category can take from one",
  },
  reserveFreeBytes: {
    kind: "integer",
    toml: "forward.wal.reserve_free_bytes",
    flag: "reserve-free-bytes",
    variable: "WALNUT_FORWARD_WAL_RESERVE_FREE_BYTES",
    unit: "bytes",
    min: 0,
    max: MAX_BYTES,
    defaultText: "1/32 of the volume, 256 KiB to 64 MiB",
    summary: "free bytes of the volume that are left alone",
  },
  segmentSizeBytes: {
    kind: "integer",
    toml: "forward.wal.segment_size_bytes",
    flag: "segment-size-bytes",
    variable: "WALNUT_FORWARD_WAL_SEGMENT_SIZE_BYTES",
    unit: "bytes",
    min: 8 * 1_024,
    max: GIB,
    defaultText: "1/256 of the volume or 1/8 of the smallest limit, 64 KiB to 16 MiB",
    summary: "size at which a segment is closed: released, and dropped, at a time",
  },
  whenFull: {
    kind: "choice",
    toml: "forward.wal.when_full",
    flag: "when-full",
    variable: "WALNUT_FORWARD_WAL_WHEN_FULL",
    choices: ["reject", "block", "drop-oldest", "drop-newest", "never-drop"],
    default: "reject",
    summary: "what a write meets when there is no room; reject is 503",
  },
  blockTimeoutMs: {
    kind: "integer",
    toml: "forward.wal.block_timeout_ms",
    flag: "block-timeout-ms",
    variable: "WALNUT_FORWARD_WAL_BLOCK_TIMEOUT_MS",
    unit: "ms",
    min: 1,
    max: HOUR_MS,
    default: 30_000,
    summary: "longest wait of block",
  },
  noDropCategories: {
    kind: "text",
    toml: "forward.wal.no_drop_categories",
    flag: "no-drop-categories",
    variable: "WALNUT_FORWARD_WAL_NO_DROP_CATEGORIES",
    defaultText: "none",
    spellings: [{ variable: "ENV_DATAWAY_WAL_NO_DROP_CATEGORIES" }],
    summary: "categories whose writes wait for room without a deadline, with commas between",
  },
  maxDeadLetterBytes: {
    kind: "integer",
    toml: "forward.wal.max_dead_letter_bytes",
    flag: "max-dead-letter-bytes",
    variable: "WALNUT_FORWARD_WAL_MAX_DEAD_LETTER_BYTES",
    unit: "bytes",
    min: 64 * 1_024,
    max: MAX_BYTES,
    defaultText: "256 MiB, or 1/16 of the budget",
    summary: "bytes of refused requests that are kept; more hold their category",
  },
};

/** Every option, in the order of the file. */
export const FORWARD_OPTION_TABLE: readonly OptionSpec<ForwardOptionName>[] = (
  Object.entries(ROWS) as [ForwardOptionName, OptionRow][]
).map(([name, row]) => ({ ...row, name }));
