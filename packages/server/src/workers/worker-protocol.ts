/**
 * What the primary and its workers say to each other, as messages between processes: JSON, in order.
 *
 * Rows never travel this way; only starting, stopping, progress, log lines, and the coordinator's few calls.
 */
import type { RecoverySummary } from "../recovery-summary.ts";
import type { LogFields, RecoveryProgress, ServerSettings } from "../server-options.ts";
import type { CallMessage, ReplyMessage } from "./call-channel.ts";
import type { PeerError } from "./peer-error.ts";
import type { Supervision } from "./supervision.ts";

/** First message to a worker: everything it needs to begin. */
export interface StartMessage {
  readonly kind: "start";
  readonly worker: number;
  readonly workers: number;
  readonly settings: ServerSettings;
  /** Shards that the data directory has, of all workers. */
  readonly existingShards: readonly number[];
  readonly socketDirectory: string;
  /** Whether the port is opened before recovery: not where other workers serve it meanwhile. */
  readonly listensAtOnce: boolean;
  /** Whether lines of the level "debug" are wanted. */
  readonly logsDebug: boolean;
}

/** From the primary to a worker. `stop`: finish what is under way; `close`: then flush and end. */
export type PrimaryMessage =
  | StartMessage
  | ReplyMessage
  | { readonly kind: "supervision"; readonly supervision: Supervision }
  /** With the socket of a connection. */
  | { readonly kind: "connection"; readonly id: number }
  | { readonly kind: "stop" }
  | { readonly kind: "close" };

/** From a worker to the primary. */
export type WorkerMessage =
  | CallMessage
  /** The process listens to messages now; earlier ones would be lost. */
  | { readonly kind: "hello" }
  | {
      readonly kind: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly text: string;
      readonly fields: LogFields | undefined;
    }
  /** Connections may come from now on. */
  | { readonly kind: "listening" }
  /** No more connections. */
  | { readonly kind: "leaving" }
  /** The connection with this number has arrived. */
  | { readonly kind: "took"; readonly id: number }
  | { readonly kind: "progress"; readonly progress: RecoveryProgress }
  | {
      readonly kind: "ready";
      readonly recovery: RecoverySummary;
      readonly durabilityText: string;
    }
  | { readonly kind: "failed"; readonly error: PeerError }
  | { readonly kind: "drained" }
  | { readonly kind: "closed"; readonly error: PeerError | undefined };
