/** What the cases of the storage contract share: a storage to try, and files made and read in one step. */

import type { Storage, StorageFile } from "@walnut/wal";

/** Where a case gets its storage, and how it is declared. */
export interface Contract {
  readonly context: () => {
    readonly storage: Storage;
    /** Makes a fresh directory. */
    readonly directory: () => Promise<string>;
  };
  readonly check: (title: string, run: () => Promise<void>) => void;
}

/** Creates a file with this content. */
export async function writeFile(storage: Storage, path: string, content: string): Promise<void> {
  const file = await storage.createFile(path);
  await file.write([bytes(content)], 0);
  await file.close();
}

/** The content of a file. */
export async function readFile(storage: Storage, path: string): Promise<string> {
  const file = await storage.openFile(path, "read");
  try {
    return await readAll(file);
  } finally {
    await file.close();
  }
}

/** The content behind a handle. */
export async function readAll(file: StorageFile): Promise<string> {
  const target = new Uint8Array(await file.size());
  const count = await file.read(target, 0, target.byteLength, 0);
  return text(target.subarray(0, count));
}

/** Text as bytes. */
export function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

/** Bytes as text. */
export function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

/** True for a system error with one of these codes. */
export function hasCode(...codes: readonly string[]): (error: unknown) => boolean {
  return (error) =>
    error instanceof Error && "code" in error && codes.some((code) => code === error.code);
}
