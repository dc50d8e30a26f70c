/**
 * Public surface of `@walnut/server`: start a server, its options as values and as data, its errors.
 */
export type { AccessToken } from "./access-token.ts";
export { ACCESS_RIGHTS, isAccessRight, type AccessRight } from "./access/access-right.ts";
export { StoredTokens, type NewTokenOptions, type TokenFacts } from "./access/stored-tokens.ts";
export { LOCAL_TOKEN_ID } from "./access/token-book.ts";
export { readLocalToken, removeLocalToken } from "./access-token.ts";
export { configurationExample, sectionOf } from "./configuration/configuration-example.ts";
export {
  readConfigurationFile,
  type ConfigurationFile,
  type FileEntry,
} from "./configuration/configuration-file.ts";
export {
  givenValues,
  originText,
  resolveConfiguration,
  unknownVariables,
  type Configuration,
  type ConfigurationProblem,
  type ConfigurationSources,
  type OptionValue,
  type Setting,
  type SettingOrigin,
} from "./configuration/configuration.ts";
export {
  SERVER_ERROR_STATUS,
  ServerError,
  type ServerErrorCode,
  type ServerErrorDetails,
} from "./errors.ts";
export {
  openParquetExport,
  parseExportAnnotation,
  type ExportAnnotation,
  type ExportColumn,
  type ExportRow,
  type ExportValue,
  type OpenExport,
} from "./export/parquet-export.ts";
export { lineFormatter, type RowText } from "./http/export-format.ts";
export { checkTlsFiles } from "./http/tls-files.ts";
export { decodeWriteRecord, type WriteRecord } from "./ingest/write-record.ts";
export type { WriteIdentity } from "./idempotency/write-identity.ts";
export type { Column, IngestBatch, TableBatch } from "./ingest/table-batch.ts";
export { WALNUT_VERSION } from "./package-version.ts";
export { RecoveryMeter, type RecoveryView } from "./recovery-meter.ts";
export { resolveServerOptions } from "./resolve-server-options.ts";
export type { RecoverySummary } from "./recovery-summary.ts";
export { openServer } from "./server.ts";
export type { WalnutServer } from "./walnut-server.ts";
export { logFormatFor, openServerLog, type ServerLogOptions } from "./logging/server-log.ts";
export type { LogFormat, LogLevel } from "./options/log-section.ts";
export {
  variableOf,
  type OptionRow,
  type OptionSpec,
  type OptionSpelling,
} from "./options/option-row.ts";
export type { WritesDuringRecovery } from "./options/server-section.ts";
export type { ServerDurability, ServerRecoveryMode } from "./options/wal-section.ts";
export {
  DEFAULT_SERVER_OPTIONS,
  SERVER_OPTION_TABLE,
  type ServerOptionName,
  type ServerOptionSpec,
} from "./server-option-table.ts";
export type {
  DefaultServerOptions,
  LogFields,
  RecoveryProgress,
  ResolvedServerOptions,
  ServerHooks,
  ServerLogger,
  ServerOptions,
  ServerSettings,
} from "./server-options.ts";
