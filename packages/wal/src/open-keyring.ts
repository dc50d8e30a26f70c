/**
 * Keys of a log that is being opened: loaded before they are needed, and refused when they do not fit.
 */
import type { CodecRegistry } from "./codec/codecs.ts";
import { keySource } from "./encryption/encryption-options.ts";
import { FrameEncryptor } from "./encryption/frame-cipher.ts";
import { Keyring } from "./encryption/keyring.ts";
import type { WalEnvironment } from "./environment.ts";
import { isWalError } from "./errors.ts";
import { LogReader } from "./log/log-reader.ts";
import { ReadHandles } from "./log/read-handles.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import type { ResolvedWalOptions } from "./options.ts";
import type { Storage } from "./storage/storage.ts";

/** Loads the key for new frames before anything is written: without it the log does not open. */
export async function openKeyring(
  environment: WalEnvironment,
  { encryption }: ResolvedWalOptions,
): Promise<{ readonly keyring: Keyring; readonly encryptor: FrameEncryptor | undefined }> {
  if (encryption === undefined) return { keyring: new Keyring(undefined), encryptor: undefined };
  const { keyId, lookup } = await keySource(encryption, environment.readKeyFile);
  const keyring = new Keyring(lookup);
  await keyring.load(keyId);
  const encryptor = new FrameEncryptor(keyring, keyId, (length) => environment.randomBytes(length));
  return { keyring, encryptor };
}

/**
 * Refuses keys that do not open the newest record: a log must not go on under another key of the same id, nor in clear text
 * because the option was forgotten. Whatever else is wrong with that record is for those who read it.
 */
export async function assertKeysFit(
  storage: Storage,
  log: SegmentedLog,
  codecs: CodecRegistry,
  keyring: Keyring,
): Promise<void> {
  const newestLsn = log.nextLsn - 1;
  if (newestLsn < log.state.firstLsn) return;
  const reader = new LogReader({
    handles: new ReadHandles(storage, () => log.state),
    state: () => log.state,
    codecs,
    keyring,
    fromLsn: newestLsn,
    visibility: "written",
    onGap: () => undefined,
  });
  try {
    await reader.next();
    await reader.close();
  } catch (error) {
    await reader.close().catch(() => undefined);
    if (!isWalError(error, "WAL_KEY_MISSING") && !isWalError(error, "WAL_KEY_WRONG")) return;
    await log.abandon();
    throw error;
  }
}
