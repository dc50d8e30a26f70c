/**
 * `--key-file`: where the keys of an encrypted log are. Pure.
 */
import type { RecordOptions } from "@walnut/wal";

export interface KeyFlag {
  readonly keyFile?: string;
}

/** The option of the engine; without the flag there is none, and encrypted records cannot be read. */
export function encryptionOf({ keyFile }: KeyFlag): Pick<RecordOptions, "encryption"> {
  return keyFile === undefined ? {} : { encryption: { keyFile } };
}
