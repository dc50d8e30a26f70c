/**
 * A text that changes whenever a file is replaced, written, removed, or comes back: how a running server notices.
 */
import { stat } from "node:fs/promises";

/** The version of the file that the path leads to, links followed. Never rejects: a missing file has a version too. */
export async function fileVersion(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino}-${size}-${mtimeNs}-${ctimeNs}`;
  } catch (error) {
    // The reading that follows says what is wrong with it, if it is more than missing.
    return error instanceof Error && "code" in error ? String(error.code) : "unknown";
  }
}
