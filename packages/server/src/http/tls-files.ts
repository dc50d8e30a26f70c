/**
 * Certificate and key of the port: read, checked against each other, and read again when the files change.
 *
 * What cannot work stops the start with the file and the reason; while the server runs it changes nothing and is logged
 * once: the old certificate is better than none. New connections get the new certificate, open ones stay as they are.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { SecureContextOptions } from "node:tls";
import { ServerError } from "../errors.ts";
import { fileVersion } from "../file-version.ts";
import type { ResolvedServerOptions, ServerLogger } from "../server-options.ts";

/** How often the files are looked at, in milliseconds. */
export const TLS_CHECK_MS = 2_000;

/** Oldest version of the protocol that is spoken; 1.0 and 1.1 are broken. */
const MIN_VERSION = "TLSv1.2";
const DAY_MS = 86_400_000;
const WARN_DAYS = 14;

/** Where the files are. */
export interface TlsPaths {
  /** PEM: the server's certificate, then those between it and the root. */
  readonly certificate: string;
  /** PEM, without a passphrase. */
  readonly key: string;
  /** PEM: who may have signed the certificates that clients must show; left out: clients show none. */
  readonly clientCa: string | undefined;
}

/** What is needed to read and to watch. */
export interface TlsFilesOptions {
  readonly paths: TlsPaths;
  readonly nowMs: () => number;
  readonly logger: ServerLogger;
}

/** The paths of the options, or `undefined` when the server speaks plain HTTP. */
export function tlsPathsOf(options: {
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
}): TlsPaths | undefined {
  const { tlsCert: certificate, tlsKey: key, tlsClientCa: clientCa } = options;
  return certificate === undefined || key === undefined
    ? undefined
    : { certificate, key, clientCa };
}

/**
 * Whether a server with these options could use its certificate and key. Starts nothing.
 *
 * @throws {ServerError} as {@link readTlsFiles}
 */
export async function checkTlsFiles(options: ResolvedServerOptions): Promise<void> {
  const paths = tlsPathsOf(options);
  const { logger } = options;
  if (paths !== undefined) await readTlsFiles({ paths, nowMs: Date.now, logger });
}

/**
 * Reads and checks the files.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` naming the file: missing, unreadable, no certificate, no key, or a key
 *   that belongs to another certificate
 */
export async function readTlsFiles(options: TlsFilesOptions): Promise<SecureContextOptions> {
  const { paths } = options;
  const cert = await readPem("tlsCert", paths.certificate);
  const key = await readPem("tlsKey", paths.key);
  const certificate = parsed("tlsCert", paths.certificate, () => new X509Certificate(cert));
  const privateKey = parsed("tlsKey", paths.key, () => createPrivateKey(key));
  assertPair(certificate, privateKey, paths);
  warnOfExpiry(certificate, options);
  if (paths.clientCa === undefined) return { cert, key, minVersion: MIN_VERSION };
  const { clientCa } = paths;
  const ca = await readPem("tlsClientCa", clientCa);
  parsed("tlsClientCa", clientCa, () => new X509Certificate(ca));
  return { cert, key, ca, minVersion: MIN_VERSION };
}

/**
 * Reads the files again when one of them has changed, and hands over what they hold.
 *
 * @returns a function that ends the watch
 */
export async function watchTlsFiles(
  options: TlsFilesOptions,
  apply: (context: SecureContextOptions) => void,
): Promise<() => void> {
  const { certificate, key, clientCa } = options.paths;
  const paths = clientCa === undefined ? [certificate, key] : [certificate, key, clientCa];
  const versions = async (): Promise<string> => (await Promise.all(paths.map(fileVersion))).join();
  let known = await versions();
  async function check(): Promise<void> {
    const found = await versions();
    if (found === known) return;
    // Before reading: what changes meanwhile is seen by the next look.
    known = found;
    try {
      apply(await readTlsFiles(options));
      options.logger.info("the certificate was read again");
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      options.logger.error(`the certificate stays as it was: ${text}`);
    }
  }
  const timer = setInterval(() => void check(), TLS_CHECK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function readPem(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unusable(option, path, error);
  }
}

/** OpenSSL's messages name no file and hold no part of a key. */
function parsed<T>(option: string, path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw unusable(option, path, error);
  }
}

function assertPair(certificate: X509Certificate, key: KeyObject, paths: TlsPaths): void {
  if (certificate.checkPrivateKey(key)) return;
  throw new ServerError(
    "SERVER_INVALID_OPTION",
    `tlsKey ${paths.key} belongs to another certificate than the one in ${paths.certificate}`,
    { details: { option: "tlsKey", path: paths.key } },
  );
}

function warnOfExpiry(
  certificate: X509Certificate,
  { paths, nowMs, logger }: TlsFilesOptions,
): void {
  const startMs = Date.parse(certificate.validFrom);
  const endMs = Date.parse(certificate.validTo);
  const name = `the certificate in ${paths.certificate}`;
  const now = nowMs();
  if (endMs <= now) {
    logger.warn(`${name} has expired on ${certificate.validTo}: clients will refuse it`);
  } else if (startMs > now) {
    logger.warn(`${name} is valid only from ${certificate.validFrom} on: clients will refuse it`);
  } else if (endMs - now < WARN_DAYS * DAY_MS) {
    logger.warn(`${name} expires on ${certificate.validTo}`);
  }
}

function unusable(option: string, path: string, cause: unknown): ServerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ServerError("SERVER_INVALID_OPTION", `${option} ${path} cannot be used: ${reason}`, {
    details: { option, path },
    cause,
  });
}
