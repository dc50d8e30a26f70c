/** Public surface of @walnut/wal. What is not named here is private. */
export { openWal, openWalWith, nodeEnvironment } from "./open-wal.ts";
export type { Timer, WalEnvironment } from "./environment.ts";
export type { AppendOptions, ReadOptions, TailOptions } from "./call-options.ts";
export type { Cursor } from "./cursor.ts";
export type { Wal } from "./wal.ts";
export type { RecordIterator, WalRecord } from "./log/record-iterator.ts";
export type { Gap, Visibility } from "./log/log-reader.ts";
export type { RecoveryReport, SegmentStatus, WalPositions, WalStatus } from "./wal-status.ts";
export { DEFAULT_WAL_OPTIONS, DURABILITY_LEVELS } from "./options.ts";
export type { DurabilityLevel, WalOptions } from "./options.ts";
export { CODEC_NAMES } from "./codec/codecs.ts";
export type { CodecName } from "./codec/codecs.ts";
export type { RecoveryMode, RecoveryProgress } from "./recovery/recover.ts";
export type { SalvagedPlace, SalvageReport } from "./recovery/salvage-apply.ts";
export { isWalError, WalError } from "./errors.ts";
export type { WalErrorCode, WalErrorDetails } from "./errors.ts";
export { NodeStorage } from "./storage/node-storage.ts";
export { joinPath } from "./storage/storage.ts";
export type {
  DirectoryLock,
  DirectoryLockRefusal,
  Storage,
  StorageFile,
  VolumeFacts,
} from "./storage/storage.ts";
