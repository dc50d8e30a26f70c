/** Public surface of @walnut/spool. What is not named here is private. */
export { DEFAULT_CATEGORIES, isCategoryName } from "./categories.ts";
export type { Consumer, SpoolItem } from "./consumer.ts";
export { isSpoolError, SpoolError, type SpoolErrorCode, type SpoolErrorDetails } from "./errors.ts";
export type { ItemReader, StoredItem } from "./item-reader.ts";
export type { ItemAttributes, ItemContent } from "./item-record.ts";
export { openSpool, openSpoolWith } from "./open-spool.ts";
export { SPOOL_POLICIES } from "./options.ts";
export type {
  CategoryOptions,
  ResolvedCategory,
  ResolvedSpoolOptions,
  SpoolOptions,
  SpoolPolicy,
} from "./options.ts";
export type { CategoryStatus, PutOptions, PutResult, SpoolCategory } from "./spool-category.ts";
export type { ConsumeOptions, Spool, SpoolStatus } from "./spool.ts";
