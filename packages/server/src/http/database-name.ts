/**
 * Which database names a client may use: anything a person can read, within a length.
 *
 * The name becomes a schema in SQL and, escaped by the store, a directory. Control characters are refused
 * because they hide in both.
 */
import { ServerError } from "../errors.ts";

/** Database of requests that name none, on the routes that allow it. */
export const DEFAULT_DATABASE = "default";

/** Longest database name, in UTF-8 bytes. */
export const MAX_DATABASE_NAME_BYTES = 64;

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/** @throws {ServerError} `SERVER_INVALID_REQUEST` when the name is too long or holds control characters */
export function checkDatabaseName(name: string): void {
  const bytes = Buffer.byteLength(name, "utf8");
  if (bytes > MAX_DATABASE_NAME_BYTES) {
    throw new ServerError(
      "SERVER_INVALID_REQUEST",
      `the database name has ${bytes} bytes, at most ${MAX_DATABASE_NAME_BYTES} are allowed`,
      { details: { bytes, maxBytes: MAX_DATABASE_NAME_BYTES } },
    );
  }
  if (CONTROL_CHARACTER.test(name)) {
    throw new ServerError(
      "SERVER_INVALID_REQUEST",
      "the database name holds a control character; letters, digits, '_', '-', '.' are safe choices",
    );
  }
}
