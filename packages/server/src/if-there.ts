/**
 * What may be missing: that a file or a directory is not there is an answer. Every other failure is thrown: what cannot be read is not
 * nothing.
 */
import { isErrno } from "@walnut/wal";

/** What a call of the file system gives, or `undefined` when the file or directory that it names is not there. */
export async function ifThere<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
