/**
 * What every way of looking at a log needs: where it is, and through which disk.
 */
import { WalError } from "../errors.ts";
import { isErrno } from "../storage/system-error.ts";
import type { Storage } from "../storage/storage.ts";
import { isLogDirectory } from "./log-listing.ts";

export interface InspectOptions {
  readonly directory: string;
  /** Default this machine's disk. */
  readonly storage?: Storage | undefined;
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
