/**
 * Events for tracing: diagnostics channels of Node, and what is published on each.
 *
 * A payload is made only when somebody has subscribed. It is published after the state has changed, and nothing that the log
 * does depends on it: a subscriber that throws is reported by Node as an uncaught exception, not to the log. Subscribers run
 * synchronously in the middle of the log's work and should only take note. Documented in docs/metrics.md, "Events".
 */
import { channel, type Channel } from "node:diagnostics_channel";

/** `walnut.wal.recover`: a log has been opened. */
export interface RecoverEvent {
  readonly directory: string;
  readonly segments: number;
  readonly records: number;
  readonly tornTailBytes: number;
  readonly rewrittenRecords: number;
  readonly verdict: string;
  readonly durationMs: number;
}

/** `walnut.wal.commit`: a group has been written, and synced where somebody waits for that. Its callers are told next. */
export interface CommitEvent {
  readonly directory: string;
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly frames: number;
  /** Bytes in the file, headers and padding included. */
  readonly writtenBytes: number;
  readonly isSynced: boolean;
  readonly durationMs: number;
}

/** `walnut.wal.rotate`: the log goes on in a new segment. */
export interface RotateEvent {
  readonly directory: string;
  readonly segmentId: number;
  readonly firstLsn: number;
  /** 0 for the first segment of a log. */
  readonly previousSegmentId: number;
  readonly durationMs: number;
}

/** `walnut.wal.release`: segments have left the log and their files are gone. */
export interface ReleaseEvent {
  readonly directory: string;
  readonly segmentIds: readonly number[];
  /** First LSN that is still there. */
  readonly firstLsn: number;
}

/** `walnut.wal.failure`: a group failed and those who waited have been told. */
export interface FailureEvent {
  readonly directory: string;
  readonly code: string;
  readonly message: string;
  /** False when the log goes on, as after a full disk. */
  readonly isFinal: boolean;
}

/** Payload of each channel. */
export interface WalEvents {
  readonly "walnut.wal.recover": RecoverEvent;
  readonly "walnut.wal.commit": CommitEvent;
  readonly "walnut.wal.rotate": RotateEvent;
  readonly "walnut.wal.release": ReleaseEvent;
  readonly "walnut.wal.failure": FailureEvent;
}

/** Names of all channels. */
export const WAL_CHANNELS: readonly (keyof WalEvents)[] = [
  "walnut.wal.recover",
  "walnut.wal.commit",
  "walnut.wal.rotate",
  "walnut.wal.release",
  "walnut.wal.failure",
];

/** One event, its payload typed. */
export class EventChannel<T> {
  readonly #channel: Channel;

  constructor(name: keyof WalEvents) {
    this.#channel = channel(name);
  }

  /** Ask before making a payload. */
  get hasSubscribers(): boolean {
    return this.#channel.hasSubscribers;
  }

  publish(payload: T): void {
    this.#channel.publish(payload);
  }
}
