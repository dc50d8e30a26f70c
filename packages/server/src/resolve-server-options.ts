/**
 * Completes and checks the options of the server: the only code that fills in defaults, looks at ranges
 * and relations, and refuses unknown keys.
 */
import { ServerError } from "./errors.ts";
import { resolveS3Settings } from "./objects/s3-settings.ts";
import { parseListen } from "./overview/forwarder-watch.ts";
import { problemOf } from "./options/option-value.ts";
import { SERVER_OPTION_TABLE } from "./server-option-table.ts";
import type { ResolvedServerOptions, ServerLogger, ServerOptions } from "./server-options.ts";

const OTHER_KEYS: ReadonlySet<string> = new Set(["logger", "onRecoveryProgress"]);
const SILENT_LOGGER: ServerLogger = { info() {}, warn() {}, error() {} };

/**
 * Fills in defaults and checks every value and relation.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` naming the option, what was found and what is allowed
 */
export function resolveServerOptions(options: ServerOptions = {}): ResolvedServerOptions {
  const given = options as Readonly<Record<string, unknown>>; // To look at keys the type does not know.
  const known = new Set<string>(SERVER_OPTION_TABLE.map((spec) => spec.name));
  for (const key of Object.keys(given)) {
    if (!known.has(key) && !OTHER_KEYS.has(key)) {
      throw invalid(key, `unknown option ${JSON.stringify(key)}`);
    }
  }
  const resolved: Record<string, unknown> = {
    ...Object.fromEntries(SERVER_OPTION_TABLE.map((spec) => [spec.name, spec.default])),
    logger: options.logger ?? SILENT_LOGGER,
    onRecoveryProgress: options.onRecoveryProgress,
  };
  for (const spec of SERVER_OPTION_TABLE) {
    const value = given[spec.name];
    if (value === undefined) continue;
    const problem = problemOf(spec, value);
    if (problem !== undefined) throw invalid(spec.name, `${spec.name} ${problem}`);
    resolved[spec.name] = value;
  }
  // Every key of the result type was set above, from the defaults or from a checked value.
  const result = withOneLevel(resolved as unknown as ResolvedServerOptions);
  checkRelations(result);
  return Object.freeze(result);
}

/** Two options say whether there is a log; from here on they say the same. */
function withOneLevel(options: ResolvedServerOptions): ResolvedServerOptions {
  const durability = options.walEnabled ? options.durability : "off";
  return { ...options, durability, walEnabled: durability !== "off" };
}

function checkRelations(options: ResolvedServerOptions): void {
  const largestRequest = options.maxBodyBytes + options.maxDecodedBodyBytes;
  if (options.maxInFlightBytes < largestRequest) {
    throw invalid(
      "maxInFlightBytes",
      `maxInFlightBytes (${options.maxInFlightBytes}) must be at least maxBodyBytes plus ` +
        `maxDecodedBodyBytes (${largestRequest}), or the largest request could never be accepted`,
    );
  }
  const share = options.clientMaxInFlightBytes;
  if (share !== 0 && share < largestRequest) {
    throw invalid(
      "clientMaxInFlightBytes",
      `clientMaxInFlightBytes (${share}) must be at least maxBodyBytes plus maxDecodedBodyBytes ` +
        `(${largestRequest}), or the largest request could never be accepted`,
    );
  }
  if (options.maxLogBytes > 0 && options.maxLogBytes < 2 * options.segmentSizeBytes) {
    throw invalid(
      "maxLogBytes",
      `maxLogBytes (${options.maxLogBytes}) must be 0 or at least twice segmentSizeBytes ` +
        `(${options.segmentSizeBytes}): only whole segments are released`,
    );
  }
  resolveS3Settings(options);
  checkForwarder(options);
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
    const missing = options.tlsCert === undefined ? "tlsCert" : "tlsKey";
    throw invalid(
      missing,
      `${missing} is missing: tlsCert and tlsKey are given together or not at all`,
    );
  }
  if (options.tlsClientCa !== undefined && options.tlsCert === undefined) {
    throw invalid("tlsClientCa", "tlsClientCa needs tlsCert and tlsKey");
  }
  if (
    options.writesDuringRecovery === "wait" &&
    options.recoveryWaitMs >= options.requestTimeoutMs
  ) {
    throw invalid(
      "recoveryWaitMs",
      `recoveryWaitMs (${options.recoveryWaitMs}) must be less than requestTimeoutMs ` +
        `(${options.requestTimeoutMs}), which includes it`,
    );
  }
  if (options.headersTimeoutMs > options.requestTimeoutMs) {
    throw invalid(
      "headersTimeoutMs",
      `headersTimeoutMs (${options.headersTimeoutMs}) must not exceed requestTimeoutMs ` +
        `(${options.requestTimeoutMs}), which includes it`,
    );
  }
}

function checkForwarder({ forwardListen }: ResolvedServerOptions): void {
  if (forwardListen === undefined || parseListen(forwardListen) !== undefined) return;
  throw invalid(
    "forwardListen",
    `forwardListen must be HOST:PORT, as 127.0.0.1:9529, found ${JSON.stringify(forwardListen)}`,
  );
}

function invalid(option: string, message: string): ServerError {
  return new ServerError("SERVER_INVALID_OPTION", message, { details: { option } });
}
