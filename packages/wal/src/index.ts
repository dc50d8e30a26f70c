/** Public surface of @walnut/wal. What is not named here is private. */
export { openWal, openWalWith, nodeEnvironment, restoreWal } from "./open-wal.ts";
export type { RestoreOptions } from "./open-wal.ts";
export type { BackupProgress, BackupReport } from "./backup/backup.ts";
export type { Timer, WalEnvironment } from "./environment.ts";
export type { AppendOptions, ReadOptions, TailOptions } from "./call-options.ts";
export type { Cursor } from "./cursor.ts";
export type { Wal } from "./wal.ts";
export type { RecordIterator, WalRecord } from "./log/record-iterator.ts";
export type { Gap, Visibility } from "./log/log-reader.ts";
export type { RecoveryReport, SegmentStatus, WalPositions, WalStatus } from "./wal-status.ts";
export type { SpaceHolder, WalMetrics } from "./wal-metrics.ts";
export type { VolumeStatus } from "./survival.ts";
export type { HistogramSnapshot } from "./observe/histogram.ts";
export { WAL_CHANNELS } from "./observe/events.ts";
export type {
  CommitEvent,
  FailureEvent,
  RecoverEvent,
  ReleaseEvent,
  RotateEvent,
  WalEvents,
} from "./observe/events.ts";
export { DEFAULT_WAL_OPTIONS, DURABILITY_LEVELS } from "./options.ts";
export type { DurabilityLevel, RecoverUntil, WalOptions } from "./options.ts";
export { CapacityGroup } from "./capacity/capacity-group.ts";
export type { CapacityGroupOptions } from "./capacity/capacity-group.ts";
export type { DroppedRange, DropReport } from "./capacity/drop-report.ts";
export { FULL_POLICIES } from "./capacity/guarded-commit.ts";
export type { FullPolicy } from "./capacity/guarded-commit.ts";
export { CODEC_NAMES } from "./codec/codecs.ts";
export type { CodecName } from "./codec/codecs.ts";
export type { EncryptionOptions } from "./encryption/encryption-options.ts";
export type { KeyLookup } from "./encryption/keyring.ts";
export type { RecoveryMode, RecoveryProgress } from "./recovery/recover.ts";
export type { SalvagedPlace, SalvageReport } from "./recovery/salvage-apply.ts";
export { followLog, type FollowLogOptions } from "./inspect/follow-log.ts";
export {
  inspectLog,
  type InspectedCursor,
  type InspectedSegment,
  type LogInspection,
  type LogPosition,
} from "./inspect/inspect-log.ts";
export type { InspectOptions, RecordOptions } from "./inspect/inspect-options.ts";
export { readLog, type LogPart, type LogRecords, type ReadLogOptions } from "./inspect/read-log.ts";
export {
  verifyLog,
  type LogVerification,
  type UnfinishedEnd,
  type VerifiedGap,
  type VerifiedSegment,
  type VerifyOptions,
} from "./inspect/verify-log.ts";
export type { Damage, DamageKind } from "./inspect/damage.ts";
export { backupLog, type BackupLogOptions } from "./repair/backup-log.ts";
export type { CopiedDirectory } from "./repair/copy-directory.ts";
export {
  planRepair,
  repairWal,
  type PlannedPlace,
  type PlanRepairOptions,
  type RepairOptions,
  type RepairPlan,
  type RepairReport,
} from "./repair/repair.ts";
export { isWalError, WalError } from "./errors.ts";
export type { WalErrorCode, WalErrorDetails } from "./errors.ts";
export { lockSocketName } from "./storage/node-directory-lock.ts";
export { NodeStorage } from "./storage/node-storage.ts";
export { isErrno, isNoSpace } from "./storage/system-error.ts";
export { joinPath } from "./storage/storage.ts";
export type {
  DirectoryLock,
  DirectoryLockRefusal,
  Storage,
  StorageFile,
  VolumeFacts,
} from "./storage/storage.ts";
