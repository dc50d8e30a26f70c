/**
 * The limits of clients as numbers, with the default that depends on other options filled in. Pure.
 */
import type { ResolvedServerOptions } from "../server-options.ts";

/** Limits of one client, and of all together. */
export interface ClientLimits {
  /** Requests of all clients at one time. */
  readonly maxRequests: number;
  /** Requests of one client at one time. */
  readonly clientMaxRequests: number;
  /** Bytes of bodies of one client at one time. */
  readonly clientMaxInFlightBytes: number;
  /** Bytes of bodies of one client per second; 0: no limit. */
  readonly clientBytesPerSecond: number;
}

/** The limits that the options ask for. By default one client leaves half of the bytes to others. */
export function clientLimitsOf(options: ResolvedServerOptions): ClientLimits {
  const { maxRequests, clientMaxRequests, clientBytesPerSecond } = options;
  const largestRequest = options.maxBodyBytes + options.maxDecodedBodyBytes;
  const half = Math.floor(options.maxInFlightBytes / 2);
  const share = options.clientMaxInFlightBytes;
  return {
    maxRequests,
    clientMaxRequests,
    clientMaxInFlightBytes: share === 0 ? Math.max(half, largestRequest) : share,
    clientBytesPerSecond,
  };
}
