/** How much room a device has left for this user. */
import { statfs } from "node:fs/promises";

/** Bytes free on the device of a directory; `undefined` when the system does not say. */
export async function freeBytesOf(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
