/**
 * What a segmented log is made with.
 */
import type { Codec } from "../codec/codecs.ts";
import type { FrameEncryptor } from "../encryption/frame-cipher.ts";
import type { Keyring } from "../encryption/keyring.ts";
import type { WalObserver } from "../observe/wal-observer.ts";
import type { SyncKind } from "../segment/segment-writer.ts";
import type { Storage } from "../storage/storage.ts";
import type { SegmentArchive } from "./segment-archive.ts";

export interface SegmentedLogOptions {
  readonly storage: Storage;
  readonly directory: string;
  readonly segmentSizeBytes: number;
  readonly prewriteStepBytes: number;
  readonly syncKind: SyncKind;
  readonly codec: Codec | undefined;
  /** Encrypts new frames; `undefined` leaves them readable. */
  readonly encryptor?: FrameEncryptor | undefined;
  /** Keys of old frames, for a truncation inside one. */
  readonly keyring?: Keyring | undefined;
  readonly observer: WalObserver;
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Keeps released segments instead of removing them. */
  readonly archive: SegmentArchive | undefined;
  /** Awaited before the first segment that takes appends of this opening. */
  readonly beforeFirstSegment: () => Promise<void>;
}
