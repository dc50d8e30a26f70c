/**
 * The options of one worker: limits of the whole server are divided, so that N workers hold no more than one would.
 *
 * A share is never smaller than what one request or one query needs. Pure.
 */
import { SERVER_OPTION_TABLE } from "../server-option-table.ts";
import type { ResolvedServerOptions, ServerSettings } from "../server-options.ts";

const MIB = 1024 * 1024;
const MIN_QUERY_MEMORY_BYTES = 64 * MIB;

/** Settings of one of several workers, as plain data. */
export function optionsOfWorker(options: ResolvedServerOptions): ServerSettings {
  const { workers, maxBodyBytes, maxDecodedBodyBytes } = options;
  const share = (whole: number, least: number): number =>
    Math.min(whole, Math.max(least, Math.ceil(whole / workers)));
  const given = SERVER_OPTION_TABLE.map(({ name }) => [name, options[name]] as const);
  const settings: ServerSettings = Object.fromEntries(
    given.filter(([, value]) => value !== undefined),
  );
  return {
    ...settings,
    maxMemoryBytes: share(options.maxMemoryBytes, MIB),
    maxInFlightBytes: share(options.maxInFlightBytes, maxBodyBytes + maxDecodedBodyBytes),
    maxAnswerBytes: share(options.maxAnswerBytes, MIB),
    queryMemoryBytes: share(options.queryMemoryBytes, MIN_QUERY_MEMORY_BYTES),
    maxConnections: share(options.maxConnections, 1),
    maxRequests: share(options.maxRequests, 1),
  };
}
