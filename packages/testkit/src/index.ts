/** What the tests of the other packages use. Private: not published. */

export { type DiskEvent } from "./call-queue.ts";
export { SteppedScheduler, immediateScheduler, type CallScheduler } from "./call-scheduler.ts";
export { storageContract, type StorageContractOptions } from "./contracts/storage-contract.ts";
export {
  ExhaustiveChooser,
  KeepAllChooser,
  LoseAllChooser,
  RandomChooser,
  type CrashChooser,
  type CrashDecision,
  type SectorTear,
} from "./crash-choice.ts";
export { crashEverywhere, type CrashEverywhereOptions } from "./crash-everywhere.ts";
export {
  exploreCrashes,
  parseCrashChain,
  replayCrash,
  type CrashFailure,
  type CrashStep,
  type CrashSubject,
  type ExplorationReport,
  type ExplorerOptions,
  type RecoveredLog,
} from "./crash-explorer.ts";
export { type CrashImage, type ImageBudget } from "./crash-images.ts";
export { FaultyStorage, type FaultRule } from "./faulty-storage.ts";
export {
  LogHistory,
  PAYLOAD_HEADER_BYTES,
  identifyPayload,
  type CursorHistory,
  type SentBatch,
  type SurvivalLevel,
} from "./log-history.ts";
export {
  ModelViolation,
  assertRecovered,
  lastLsnOf,
  type CrashKind,
  type RecoveredState,
} from "./log-model.ts";
export { SeededRandom, combineSeeds } from "./seeded-random.ts";
export { SimulatedDisk, type SimulatedDiskOptions } from "./simulated-disk.ts";
export { BLOCK_BYTES, SECTOR_BYTES } from "./simulated-file.ts";
export {
  Simulation,
  type SimulatedEnvironment,
  type SimulationEnd,
  type SimulationOptions,
} from "./simulation.ts";
export { SmallVolume, VOLUME_KINDS, whyNotMountable, type VolumeKind } from "./small-volume.ts";
export {
  STORAGE_CALL_KINDS,
  StorageError,
  formatStorageCall,
  type StorageCall,
  type StorageCallKind,
} from "./storage-call.ts";
export {
  WrappedStorage,
  type InterceptedParts,
  type StorageInterceptor,
} from "./storage-wrapper.ts";
export { TracingStorage } from "./tracing-storage.ts";
export { VirtualClock, type VirtualTimer } from "./virtual-clock.ts";
