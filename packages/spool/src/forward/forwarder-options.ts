/**
 * Options of a forwarder: the spool's, and how its items go upstream. Units, defaults, ranges, and the one place that checks them. Pure.
 */
import { SpoolError } from "../errors.ts";
import type { SpoolOptions } from "../options.ts";
import type { ForwardNotice } from "./ship-notices.ts";
import { BODY_ENCODINGS, type BodyEncoding } from "./upstream.ts";
import { UPSTREAM_PROTOCOLS, type UpstreamProtocol } from "./upstream-target.ts";

export interface ForwarderOptions {
  readonly spool: SpoolOptions;
  /** Address of the upstream: `https://host:8000`. A path is put in front, a query goes with every request. */
  readonly to: string;
  /** Default "auto". */
  readonly protocol?: UpstreamProtocol | undefined;
  /** `line-protocol`: bucket of items that name none. Default: the name of their category. */
  readonly bucket?: string | undefined;
  readonly org?: string | undefined;
  readonly token?: string | undefined;
  /** Certificates to trust in addition, as PEM. */
  readonly ca?: string | undefined;
  /** Default "gzip". */
  readonly encoding?: BodyEncoding | undefined;
  /** Requests under way at one time, of different categories. Default 4. */
  readonly workers?: number | undefined;
  /** Most items of one request. Default 10,000. */
  readonly maxBatchItems?: number | undefined;
  /** Bytes after which a request holds enough, before compression. Default 1 MiB. */
  readonly maxBatchBytes?: number | undefined;
  /** How long a request waits for more items, in milliseconds. Default 200. */
  readonly lingerMs?: number | undefined;
  /** A request without an answer after this long has failed, in milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Pause after the first failure, in milliseconds; doubled with each one. Default 500. */
  readonly retryFirstDelayMs?: number | undefined;
  /** Longest pause, in milliseconds. Default 30,000. */
  readonly retryMaxDelayMs?: number | undefined;
  /** Bytes of refused requests that are kept; more hold their category. Default 256 MiB, or a sixteenth of the budget where that is less. */
  readonly maxDeadLetterBytes?: number | undefined;
  /** Told, once each, when a category waits for the upstream, goes on, and has dead letters. It must not throw. */
  readonly onNotice?: ((notice: ForwardNotice) => void) | undefined;
}

/** A forwarder's options with everything filled in. */
export interface ResolvedForwarderOptions {
  readonly protocol: UpstreamProtocol;
  readonly encoding: BodyEncoding;
  readonly workers: number;
  readonly maxBatchItems: number;
  readonly maxBatchBytes: number;
  readonly lingerMs: number;
  readonly requestTimeoutMs: number;
  readonly retryFirstDelayMs: number;
  readonly retryMaxDelayMs: number;
  readonly maxDeadLetterBytes: number;
}

/** Defaults of options that do not depend on the volume. */
export const DEFAULT_FORWARDER_OPTIONS: Omit<ResolvedForwarderOptions, "maxDeadLetterBytes"> = {
  protocol: "auto",
  encoding: "gzip",
  workers: 4,
  maxBatchItems: 10_000,
  maxBatchBytes: 1024 * 1024,
  lingerMs: 200,
  requestTimeoutMs: 30_000,
  retryFirstDelayMs: 500,
  retryMaxDelayMs: 30_000,
};

const MAX_DEAD_LETTER_BYTES = 256 * 1024 * 1024;
const MIN_DEAD_LETTER_BYTES = 64 * 1024;
const MAX_MS = 3_600_000;

const RANGES = {
  workers: [1, 256],
  maxBatchItems: [1, 1_000_000],
  maxBatchBytes: [1, 128 * 1024 * 1024],
  lingerMs: [0, MAX_MS],
  requestTimeoutMs: [1, MAX_MS],
  retryFirstDelayMs: [1, MAX_MS],
  retryMaxDelayMs: [1, MAX_MS],
} as const;
type NumberOption = keyof typeof RANGES;

/**
 * Fills in defaults and checks everything.
 *
 * @param budget - of the spool
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`
 */
export function resolveForwarderOptions(
  options: ForwarderOptions,
  budget: { readonly maxTotalBytes: number },
): ResolvedForwarderOptions {
  const { protocol = DEFAULT_FORWARDER_OPTIONS.protocol } = options;
  const { encoding = DEFAULT_FORWARDER_OPTIONS.encoding } = options;
  if (!UPSTREAM_PROTOCOLS.includes(protocol)) {
    throw invalid("protocol", `must be one of ${UPSTREAM_PROTOCOLS.join(", ")}`);
  }
  if (!BODY_ENCODINGS.includes(encoding)) {
    throw invalid("encoding", `must be one of ${BODY_ENCODINGS.join(", ")}`);
  }
  // The keys of RANGES are exactly the number options.
  const names = Object.keys(RANGES) as NumberOption[];
  const numbers = Object.fromEntries(names.map((name) => [name, inRange(name, options[name])]));
  const resolved = numbers as Record<NumberOption, number>;
  const share = Math.max(Math.floor(budget.maxTotalBytes / 16), MIN_DEAD_LETTER_BYTES);
  const maxDeadLetterBytes = options.maxDeadLetterBytes ?? Math.min(MAX_DEAD_LETTER_BYTES, share);
  if (!Number.isSafeInteger(maxDeadLetterBytes) || maxDeadLetterBytes < MIN_DEAD_LETTER_BYTES) {
    throw invalid(
      "maxDeadLetterBytes",
      `is ${maxDeadLetterBytes}; must be at least ${MIN_DEAD_LETTER_BYTES}`,
    );
  }
  // A request that is refused must fit among the dead letters.
  const maxBatchBytes = Math.min(resolved.maxBatchBytes, Math.floor(maxDeadLetterBytes / 2));
  return { protocol, encoding, ...resolved, maxBatchBytes, maxDeadLetterBytes };
}

function inRange(name: NumberOption, value: number | undefined): number {
  const checked = value ?? DEFAULT_FORWARDER_OPTIONS[name];
  const [min, max] = RANGES[name];
  if (Number.isSafeInteger(checked) && checked >= min && checked <= max) return checked;
  throw invalid(name, `is ${String(value)}; must be a whole number from ${min} to ${max}`);
}

function invalid(option: string, problem: string): SpoolError {
  return new SpoolError("SPOOL_INVALID_OPTION", `option ${option} ${problem}`, {
    details: { option },
  });
}
