/**
 * The one token in clear: given as an option, or made on the first run and kept in `DIRECTORY/token`.
 *
 * It is there so that a person on this machine can begin; it has every right. Who can read the file can read the
 * rows beside it as well, so a hash would protect nothing. None is made where a stored token has the right `admin`.
 *
 * The file has mode 0600 and appears in one step with its content on the device, so a crash leaves either
 * no token or a whole one. Two processes that start on one directory agree on the token of the first.
 * The text of a token never reaches a message or a log line from here.
 */
import { randomBytes } from "node:crypto";
import { link, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@walnut/wal";
import { syncDirectory } from "./data-directory.ts";
import { ServerError } from "./errors.ts";
import { isValidToken } from "./options/option-value.ts";
import type { ServerLogger } from "./server-options.ts";

/** Name of the token file inside the data directory. */
export const TOKEN_FILE_NAME = "token";

const TOKEN_BYTES = 32;
const TEMPORARY_NAME_BYTES = 8;
const FILE_MODE = 0o600;
const OTHERS_MASK = 0o077;

/**
 * The token and where it came from. `created`: made by this call, to be shown to a person once. `stored`: there is no
 * token in clear; stored tokens are all there is.
 */
export type AccessToken =
  | { readonly source: "option"; readonly token: string }
  | { readonly source: "file" | "created"; readonly token: string; readonly path: string }
  | { readonly source: "stored" };

/**
 * Finds or makes the token.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` when the token file holds no usable token
 */
export async function loadAccessToken(options: {
  readonly directory: string;
  readonly token: string | undefined;
  /** True when a stored token has the right `admin`: then none is made. */
  readonly hasStoredAdmin: boolean;
  readonly logger: ServerLogger;
}): Promise<AccessToken> {
  if (options.token !== undefined) return { source: "option", token: options.token };
  const path = join(options.directory, TOKEN_FILE_NAME);
  const stored = await readLocalToken(options.directory);
  if (stored !== undefined) {
    await warnOfOtherReaders(path, options.logger);
    return { source: "file", token: stored, path };
  }
  if (options.hasStoredAdmin) return { source: "stored" };

  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  if (await storeToken(options.directory, path, token)) return { source: "created", token, path };
  // Another process was faster between the read and the store: its token is the token.
  const theirs = await readLocalToken(options.directory);
  if (theirs === undefined) throw new Error(`token file ${path} disappeared while starting`);
  return { source: "file", token: theirs, path };
}

/**
 * The token in `DIRECTORY/token`, or `undefined` when there is no such file.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` when the file holds no usable token
 */
export async function readLocalToken(directory: string): Promise<string | undefined> {
  const path = join(directory, TOKEN_FILE_NAME);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw unusable(path, error);
  }
  const token = text.trim();
  if (!isValidToken(token)) throw unusable(path, undefined);
  return token;
}

/**
 * Removes `DIRECTORY/token`, durably. Running servers refuse it within a second; the next start makes a new one
 * unless a stored token has the right `admin`.
 *
 * @returns false when there was none
 */
export async function removeLocalToken(directory: string): Promise<boolean> {
  try {
    await unlink(join(directory, TOKEN_FILE_NAME));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
  await syncDirectory(directory);
  return true;
}

async function warnOfOtherReaders(path: string, logger: ServerLogger): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & OTHERS_MASK) !== 0) {
    logger.warn(`token file ${path} can be read by other users; run: chmod 600 ${path}`);
  }
}

/** @returns false when somebody else's token is already there */
async function storeToken(directory: string, path: string, token: string): Promise<boolean> {
  const temporaryPath = `${path}.${randomBytes(TEMPORARY_NAME_BYTES).toString("hex")}.tmp`;
  const handle = await open(temporaryPath, "wx", FILE_MODE);
  try {
    await handle.writeFile(`${token}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  const isOurs = await publish(temporaryPath, path);
  await syncDirectory(directory);
  return isOurs;
}

/** Gives the file its name. A link, unlike a rename, refuses to replace what another process put there. */
async function publish(temporaryPath: string, path: string): Promise<boolean> {
  try {
    await link(temporaryPath, path);
  } catch (error) {
    if (isErrno(error, "EEXIST")) {
      await unlink(temporaryPath);
      return false;
    }
    // File systems without hard links (exFAT, some network mounts).
    await rename(temporaryPath, path);
    return true;
  }
  await unlink(temporaryPath);
  return true;
}

function unusable(path: string, cause: unknown): ServerError {
  return new ServerError(
    "SERVER_INVALID_OPTION",
    `the token file ${path} holds no usable token; remove it to have a new one made, or give a token`,
    { details: { option: "token", path }, cause },
  );
}
