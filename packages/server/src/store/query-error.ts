/**
 * Errors of the SQL engine as errors of the server: what the client got wrong, and what went wrong here.
 * DuckDB begins each message with the kind of error. Pure.
 */
import { ServerError } from "../errors.ts";
import { errorOffsetBytes } from "./query-error-place.ts";

/** Kinds that a different query would not meet. */
const CLIENT_KINDS: ReadonlySet<string> = new Set([
  "Parser Error",
  "Syntax Error",
  "Binder Error",
  "Catalog Error",
  "Conversion Error",
  "Invalid Input Error",
  "Invalid Type Error",
  "Out of Range Error",
  "Mismatch Type Error",
  "Not implemented Error",
  "Permission Error",
  "Invalid Error",
]);

/** True for failures after which a DuckDB instance refuses everything. */
export function isFatalEngineError(error: unknown): boolean {
  return /^(FATAL|INTERNAL) Error|has been invalidated/.test(messageOf(error));
}

/**
 * An error of the engine with a code of ours; errors that have one already pass through.
 *
 * @param query.privateName - name that the engine saw and the client does not know, removed from the message
 * @param query.memoryBytes - limit of the engine, for an answer that exceeds it
 */
export function toQueryError(
  error: unknown,
  query: { readonly sql: string; readonly privateName: string; readonly memoryBytes: number },
): ServerError {
  if (error instanceof ServerError) return error;
  if (messageOf(error).startsWith("Out of Memory Error")) return outOfMemory(error, query);
  const { privateName } = query;
  // What follows the first paragraph points into a text that is not quite the client's.
  const [paragraph = ""] = messageOf(error).split(/\n\n?LINE \d+:/);
  const message = paragraph
    .replaceAll(`"${privateName}".`, "")
    .replaceAll(`${privateName}.`, "")
    .trim();
  const kind = /^[A-Z][A-Za-z ]*? Error(?=:)/.exec(message)?.[0] ?? "";
  const code = CLIENT_KINDS.has(kind) ? "SERVER_INVALID_QUERY" : "SERVER_QUERY_FAILED";
  const offsetBytes = errorOffsetBytes(messageOf(error), query);
  const details = offsetBytes === undefined ? {} : { offsetBytes };
  return new ServerError(code, message, { details, cause: error });
}

/** The engine's own advice is about settings that nobody can reach here. */
function outOfMemory(
  cause: unknown,
  { memoryBytes }: { readonly memoryBytes: number },
): ServerError {
  return new ServerError(
    "SERVER_QUERY_FAILED",
    `the query needs more than the ${memoryBytes} bytes of memory that this process has for queries; ask for less at a time ` +
      "(a range of time, fewer groups or distinct values, a LIMIT with the ORDER BY), or raise query.memory_bytes, which all workers share",
    { details: { memoryBytes }, cause },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
