/** Public surface of @walnut/spool. What is not named here is private. */
export {
  checkForwardAgentOptions,
  openForwardAgent,
  type ForwardAgent,
  type ForwardAgentOptions,
} from "./agent/forward-agent.ts";
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
export type { ShipperState, ShipperStatus } from "./forward/category-shipper.ts";
export type { DeadLetter, DeadLetterHead } from "./forward/dead-letters.ts";
export { openForwarder, type Forwarder, type RedriveResult } from "./forward/forwarder.ts";
export { DEFAULT_FORWARDER_OPTIONS, type ForwarderOptions } from "./forward/forwarder-options.ts";
export type { ForwardNotice } from "./forward/ship-notices.ts";
export type { ForwardedCategory, ForwarderStatus } from "./forward/forwarder-status.ts";
export { BODY_ENCODINGS, type BodyEncoding, type UpstreamRequest } from "./forward/upstream.ts";
export { UPSTREAM_PROTOCOLS, type UpstreamProtocol } from "./forward/upstream-target.ts";
