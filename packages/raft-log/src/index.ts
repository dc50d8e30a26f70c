/** Public surface of @walnut/raft-log. What is not named here is private. */
export {
  ONLY_GROUP_ID,
  openRaftGroups,
  openRaftGroupsWith,
  openRaftLog,
  openRaftLogWith,
} from "./open-raft-log.ts";
export { RAFT_BACKENDS } from "./raft-log-options.ts";
export type { RaftBackend, RaftLogOptions } from "./raft-log-options.ts";
export type { LevelIterator, LevelOperation, LevelRange, LevelStore } from "./level/level-store.ts";
export type { RaftLog, RaftLogStatus, SaveOptions } from "./raft-log.ts";
export type { GroupHolding, RaftGroups, RaftGroupsStatus } from "./raft-groups.ts";
export { ENTRY_TYPE, NO_CONF_STATE, NO_HARD_STATE } from "./raft-types.ts";
export type {
  ConfState,
  Entry,
  EntryType,
  HardState,
  Snapshot,
  SnapshotMetadata,
} from "./raft-types.ts";
export { isRaftLogError, RaftLogError } from "./errors.ts";
export type { RaftLogErrorCode, RaftLogErrorDetails } from "./errors.ts";
export { hideEtcdSecrets } from "./etcd/etcd-secrets.ts";
export { openRaftSource } from "./convert/open-raft-source.ts";
export type {
  RaftDamage,
  RaftProgress,
  RaftSource,
  RaftSourceGroup,
} from "./convert/raft-source.ts";
export { convertRaftLog } from "./convert/convert-raft-log.ts";
export type { ConvertedGroup, ConvertOptions, ConvertReport } from "./convert/convert-raft-log.ts";
export { planRaftRepair, repairRaftLog } from "./convert/repair-raft-log.ts";
export type {
  RaftRepairOptions,
  RaftRepairPlan,
  RaftRepairReport,
} from "./convert/repair-raft-log.ts";
export { raftLogContract } from "./contract/raft-log-contract.ts";
export type { RaftLogContractCase, RaftLogPlace } from "./contract/contract-case.ts";
export { VoteNames } from "./adapters/vote-names.ts";
export { LiferaftLog, liferaftLog } from "./adapters/liferaft-log.ts";
export type {
  LiferaftEntry,
  LiferaftLogInfo,
  LiferaftLogOptions,
  LiferaftNode,
} from "./adapters/liferaft-log.ts";
export { coatyPersistency } from "./adapters/coaty-persistency.ts";
export type {
  CoatyEntry,
  CoatyHardState,
  CoatyPersistency,
  CoatyPersistencyOptions,
  CoatySnapshot,
} from "./adapters/coaty-persistency.ts";
export { logStorageOf } from "./adapters/log-storage.ts";
export type { LogMeta, LogStorage, MetaStorage, StoredCommand } from "./adapters/log-storage.ts";
