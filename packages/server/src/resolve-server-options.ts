/**
 * Completes and checks the options of the server: the only code that fills in defaults, looks at ranges
 * and relations, and refuses unknown keys.
 */
import { ServerError } from "./errors.ts";
import { SERVER_OPTION_TABLE, type ServerOptionSpec } from "./server-option-table.ts";
import {
  DEFAULT_SERVER_OPTIONS,
  type ResolvedServerOptions,
  type ServerLogger,
  type ServerOptions,
} from "./server-options.ts";

const MAX_TOKEN_LENGTH = 1_024;
const TOKEN_PATTERN = /^[\x21-\x7e]+$/;
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
    ...DEFAULT_SERVER_OPTIONS,
    token: undefined,
    logger: options.logger ?? SILENT_LOGGER,
    onRecoveryProgress: options.onRecoveryProgress,
  };
  for (const spec of SERVER_OPTION_TABLE) {
    const value = given[spec.name];
    if (value === undefined) continue;
    checkValue(spec, value);
    resolved[spec.name] = value;
  }
  // Every key of the result type was set above, from the defaults or from a checked value.
  const result = resolved as unknown as ResolvedServerOptions;
  checkRelations(result);
  return Object.freeze(result);
}

/** True when `token` may be used as one: printable ASCII without spaces, not empty, not huge. */
export function isValidToken(token: string): boolean {
  return token.length <= MAX_TOKEN_LENGTH && TOKEN_PATTERN.test(token);
}

function checkValue(spec: ServerOptionSpec, value: unknown): void {
  switch (spec.kind) {
    case "integer":
      if (typeof value !== "number" || !Number.isSafeInteger(value)) {
        throw invalid(spec.name, `${spec.name} must be a whole number, found ${String(value)}`);
      }
      if (value < spec.min || value > spec.max) {
        throw invalid(
          spec.name,
          `${spec.name} must be between ${spec.min} and ${spec.max}, found ${value}`,
        );
      }
      return;
    case "choice":
      if (typeof value !== "string" || !spec.choices.includes(value)) {
        throw invalid(
          spec.name,
          `${spec.name} must be one of ${spec.choices.join(", ")}, found ${String(value)}`,
        );
      }
      return;
    case "text":
      if (typeof value !== "string" || value === "" || value.includes("\0")) {
        throw invalid(spec.name, `${spec.name} must be text and not empty`);
      }
      return;
    case "secret":
      // The value stays out of the message: messages reach logs.
      if (typeof value !== "string" || !isValidToken(value)) {
        throw invalid(
          spec.name,
          `${spec.name} must be 1 to ${MAX_TOKEN_LENGTH} printable ASCII characters without spaces`,
        );
      }
      return;
    case "boolean":
      if (typeof value !== "boolean") {
        throw invalid(spec.name, `${spec.name} must be true or false, found ${String(value)}`);
      }
      return;
  }
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
  if (options.headersTimeoutMs > options.requestTimeoutMs) {
    throw invalid(
      "headersTimeoutMs",
      `headersTimeoutMs (${options.headersTimeoutMs}) must not exceed requestTimeoutMs ` +
        `(${options.requestTimeoutMs}), which includes it`,
    );
  }
}

function invalid(option: string, message: string): ServerError {
  return new ServerError("SERVER_INVALID_OPTION", message, { details: { option } });
}
