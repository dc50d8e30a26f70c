/**
 * What every way of looking at a log needs: where it is, and through which disk.
 */
import { CodecRegistry } from "../codec/codecs.ts";
import { keySource, type EncryptionOptions } from "../encryption/encryption-options.ts";
import { Keyring } from "../encryption/keyring.ts";
import { WalError } from "../errors.ts";
import { frameBody } from "../log/frame-body.ts";
import type { ScannedFrame } from "../segment/frame-scanner.ts";
import { readKeyFile } from "../storage/node-key-file.ts";
import { isErrno } from "../storage/system-error.ts";
import type { Storage } from "../storage/storage.ts";
import { isLogDirectory } from "./log-listing.ts";

export interface InspectOptions {
  readonly directory: string;
  /** Default this machine's disk. */
  readonly storage?: Storage | undefined;
}

/** For what reads records: where keys are, if the log has encrypted ones. */
export interface RecordOptions extends InspectOptions {
  readonly encryption?: EncryptionOptions | undefined;
}

/** The records of a frame, decrypted and decompressed; throws what `frameBody` throws. */
export type BodyReader = (frame: ScannedFrame, path: string) => Promise<Uint8Array>;

/** Throws `WAL_KEY_MISSING` and `WAL_INVALID_OPTION` for keys that cannot be read. */
export async function bodyReader({ encryption }: RecordOptions): Promise<BodyReader> {
  const source = encryption === undefined ? undefined : await keySource(encryption, readKeyFile);
  const keyring = new Keyring(source?.lookup);
  const codecs = new CodecRegistry();
  return (frame, path) => frameBody(frame, codecs, path, keyring);
}

/** Looking at a directory that holds no log is a mistake of the caller: an empty answer would hide it. */
export async function assertLog(storage: Storage, directory: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await storage.listDirectory(directory);
  } catch (error) {
    if (!isErrno(error, "ENOENT") && !isErrno(error, "ENOTDIR")) throw error;
    throw new WalError("WAL_INVALID_OPTION", `${directory} is not a directory`, {
      details: { option: "directory", path: directory },
      cause: error,
    });
  }
  if (isLogDirectory(names)) return;
  throw new WalError("WAL_INVALID_OPTION", `${directory} holds no log`, {
    details: { option: "directory", path: directory },
  });
}
