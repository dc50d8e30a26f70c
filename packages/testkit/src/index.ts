/** What the tests of the other packages use. Private: not published. */

export { SteppedScheduler, immediateScheduler, type CallScheduler } from "./call-scheduler.ts";
export {
  ExhaustiveChooser,
  KeepAllChooser,
  LoseAllChooser,
  RandomChooser,
  type CrashChooser,
  type CrashDecision,
  type SectorTear,
} from "./crash-choice.ts";
export { FaultyStorage, type FaultRule } from "./faulty-storage.ts";
export { SeededRandom, combineSeeds } from "./seeded-random.ts";
export { SimulatedDisk, type DiskEvent, type SimulatedDiskOptions } from "./simulated-disk.ts";
export { BLOCK_BYTES, SECTOR_BYTES } from "./simulated-file.ts";
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
