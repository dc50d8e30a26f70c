/**
 * The options of the server as data: flag, kind, unit, range and one line of meaning for each.
 *
 * The command line, the environment variables, the checks in `resolve-server-options.ts` and the table in
 * docs/configuration.md are all made from this, so they cannot drift apart.
 */
import type { ServerOptions } from "./server-options.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;

/** An option that can be set from a command line or the environment. */
export type ServerOptionName = Exclude<keyof ServerOptions, "logger" | "onRecoveryProgress">;

interface OptionFacts {
  readonly name: ServerOptionName;
  /** Command-line flag without dashes; the variable is `WALNUT_` plus the same in capitals. */
  readonly flag: string;
  /** One line for `--help` and docs/configuration.md. */
  readonly summary: string;
}

/** One option as data; `kind` says how its text form is read and its value checked. */
export type ServerOptionSpec = OptionFacts &
  (
    | {
        readonly kind: "integer";
        readonly unit: string;
        readonly min: number;
        readonly max: number;
      }
    | { readonly kind: "choice"; readonly choices: readonly string[] }
    | { readonly kind: "text" }
    | { readonly kind: "secret" }
    | { readonly kind: "boolean" }
  );

/** Every option that a person can set, in the order in which help and documentation list them. */
export const SERVER_OPTION_TABLE: readonly ServerOptionSpec[] = [
  integer("port", "port", "", 0, 65_535, "port to listen on; 0 lets the system choose"),
  { name: "host", flag: "host", kind: "text", summary: "address to listen on" },
  {
    name: "dataDirectory",
    flag: "data-dir",
    kind: "text",
    summary: "directory of the log, the catalog, the Parquet files and the token",
  },
  {
    name: "token",
    flag: "token",
    kind: "secret",
    summary: "secret that clients send; without it one is made on the first run",
  },
  {
    name: "durability",
    flag: "durability",
    kind: "choice",
    choices: ["fsync", "fdatasync", "interval", "async", "memory", "off"],
    summary: "when a write is answered",
  },
  integer(
    "segmentSizeBytes",
    "segment-size-bytes",
    "bytes",
    64 * KIB,
    GIB,
    "size of a log segment",
  ),
  integer(
    "segmentMaxAgeMs",
    "segment-max-age-ms",
    "ms",
    1_000,
    168 * HOUR_MS,
    "age of a log segment",
  ),
  integer(
    "syncIntervalMs",
    "sync-interval-ms",
    "ms",
    1,
    60_000,
    "level interval: time between syncs",
  ),
  {
    name: "recovery",
    flag: "recovery",
    kind: "choice",
    choices: ["default", "strict"],
    summary: "what start-up does with a damaged log",
  },
  integer("flushRows", "flush-rows", "rows", 1, 4_000_000, "rows of a table that start a flush"),
  integer("flushAgeMs", "flush-age-ms", "ms", 10, HOUR_MS, "longest time a row is in memory only"),
  integer("maxMemoryBytes", "max-memory-bytes", "bytes", MIB, 64 * GIB, "rows held in memory"),
  integer("maxBodyBytes", "max-body-bytes", "bytes", KIB, GIB, "largest request body as sent"),
  integer(
    "maxDecodedBodyBytes",
    "max-decoded-body-bytes",
    "bytes",
    KIB,
    GIB,
    "largest request body after decompression",
  ),
  integer(
    "maxInFlightBytes",
    "max-in-flight-bytes",
    "bytes",
    2 * KIB,
    64 * GIB,
    "request bodies held at one time",
  ),
  integer(
    "requestTimeoutMs",
    "request-timeout-ms",
    "ms",
    100,
    HOUR_MS,
    "time to receive a request",
  ),
  integer(
    "headersTimeoutMs",
    "headers-timeout-ms",
    "ms",
    100,
    HOUR_MS,
    "time to receive its headers",
  ),
  integer(
    "keepAliveTimeoutMs",
    "keep-alive-timeout-ms",
    "ms",
    100,
    HOUR_MS,
    "time an idle connection is kept",
  ),
  integer("maxHeaderBytes", "max-header-bytes", "bytes", KIB, MIB, "largest request head"),
  integer(
    "maxConnections",
    "max-connections",
    "connections",
    1,
    1_000_000,
    "connections open at one time",
  ),
  integer("queryTimeoutMs", "query-timeout-ms", "ms", 10, HOUR_MS, "longest run of a query"),
  integer(
    "queryMemoryBytes",
    "query-memory-bytes",
    "bytes",
    64 * MIB,
    1024 * GIB,
    "memory of all queries together",
  ),
  integer(
    "shutdownTimeoutMs",
    "shutdown-timeout-ms",
    "ms",
    0,
    HOUR_MS,
    "how long a stop waits for requests in flight",
  ),
  {
    name: "publicMetrics",
    flag: "public-metrics",
    kind: "boolean",
    summary: "answer /metrics without a token",
  },
];

function integer(
  name: ServerOptionName,
  flag: string,
  unit: string,
  min: number,
  max: number,
  summary: string,
): ServerOptionSpec {
  return { name, flag, kind: "integer", unit, min, max, summary };
}
