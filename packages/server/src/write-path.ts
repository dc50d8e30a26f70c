/**
 * The write path: one decoded request becomes one record of the log, then rows that queries see.
 *
 *   1. admit    the store checks the types of all columns and reserves new ones; nothing is kept yet. With
 *               several workers, columns that are new here are agreed on with the others first
 *   2. append   one record for the whole request            CRASH: recovery replays it, or it never was
 *   3. insert   in the continuation of the append, so in LSN order, as replay would; the identity of the
 *               request, if it has one, is noted in the same step
 *   4. answer   204
 *
 * A failed append keeps nothing of the request and is answered 503; if the log failed in the middle of a
 * write or a sync, whether the record survives is decided by the next recovery (docs/http-api.md).
 */
import { isWalError } from "@walnut/wal";
import type { Coordinator, TableColumn } from "./coordinator/coordinator.ts";
import { ServerError } from "./errors.ts";
import type { WriteIdentity } from "./idempotency/write-identity.ts";
import { ReusedMemory } from "./ingest/reused-memory.ts";
import type { IngestBatch } from "./ingest/table-batch.ts";
import { encodeWriteRecord } from "./ingest/write-record.ts";

/** The part of the log that writing needs. */
export interface BatchLog {
  /** False at level "off": the log keeps nothing, so nothing is encoded for it. */
  readonly keepsPayloads: boolean;
  /** Copies the payload before it returns: its memory is used again. */
  append(payload: Uint8Array): Promise<number>;
  /** Told how each append ended; see `LogRoom`. */
  readonly room: { taken(): void; refused(error: unknown, neededBytes: number): void };
}

/** The part of the table store that writing needs. */
export interface BatchStore<Admitted extends IngestBatch> {
  /** Checks and reserves; what it returns, and not what the client sent, goes to the log. */
  admit(batch: IngestBatch): Admitted;
  /** Takes the reservations back after a failed append. @returns holds that the coordinator gets back */
  abandon(batch: Admitted): readonly TableColumn[];
  insert(lsn: number, batch: Admitted): void;
  /** What is known of column types here. */
  readonly columns: {
    unknownColumns(batch: IngestBatch): readonly TableColumn[];
    hold(columns: readonly TableColumn[]): void;
    forgetUnused(columns: readonly TableColumn[]): readonly TableColumn[];
  };
}

const NO_PAYLOAD: Uint8Array = new Uint8Array(0);

/** What the write path needs. */
export interface WritePathOptions<Admitted extends IngestBatch> {
  readonly log: BatchLog;
  readonly store: BatchStore<Admitted>;
  /** Agrees with other workers on columns that are new here; `undefined` where there are none. */
  readonly coordinator: Coordinator | undefined;
  /** Bytes of rows in memory now. */
  readonly memoryBytes: () => number;
  /** Bytes of rows in memory at which writes are refused. */
  readonly maxMemoryBytes: number;
  /** Told that the log holds an identity, in LSN order, before any flush can pass that LSN. */
  readonly onIdentity: (lsn: number, identity: WriteIdentity) => void;
}

/** Makes batches durable and visible. */
export class WritePath<Admitted extends IngestBatch> {
  readonly #options: WritePathOptions<Admitted>;
  readonly #recordMemory = new ReusedMemory();
  #activeWrites = 0;
  #isStopped = false;
  #onIdle: (() => void)[] = [];

  constructor(options: WritePathOptions<Admitted>) {
    this.#options = options;
  }

  /** @throws {ServerError} `SERVER_OVERLOADED` when rows in memory have reached their limit */
  assertCapacity(): void {
    const { memoryBytes, maxMemoryBytes } = this.#options;
    if (memoryBytes() >= maxMemoryBytes) throw memoryFull();
  }

  /**
   * Refuses writes from now on and resolves when those under way are in memory or have failed. After that
   * the store may be closed: no row is left between log and memory.
   */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#activeWrites > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /**
   * Writes one request, and its identity in the same record. Resolves when the log holds it at the configured level and queries see it.
   *
   * @returns the LSN of the request's record
   * @throws {ServerError} `SERVER_TYPE_CONFLICT`, `SERVER_TOO_LARGE`, `SERVER_OVERLOADED`,
   *   `SERVER_WAL_UNAVAILABLE`, `SERVER_NOT_READY`
   */
  async write(batch: IngestBatch, identity?: WriteIdentity): Promise<number> {
    if (this.#isStopped) throw stopped();
    this.#activeWrites++;
    try {
      return await this.#write(batch, identity);
    } finally {
      this.#activeWrites--;
      if (this.#activeWrites === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  async #write(batch: IngestBatch, identity: WriteIdentity | undefined): Promise<number> {
    const { log, store } = this.#options;
    this.assertCapacity();
    const { coordinator } = this.#options;
    const admitted =
      coordinator === undefined ? store.admit(batch) : await this.#agree(batch, coordinator);
    let lsn: number;
    let recordBytes = 0;
    try {
      const record = log.keepsPayloads
        ? encodeWriteRecord({ batch: admitted, identity }, this.#recordMemory)
        : NO_PAYLOAD;
      recordBytes = record.byteLength;
      // The log copies the record before `append` returns.
      lsn = await log.append(record);
      log.room.taken();
    } catch (error) {
      log.room.refused(error, recordBytes);
      const held = store.abandon(admitted);
      if (held.length > 0) coordinator?.releaseColumns(held);
      throw asWriteError(error);
    }
    store.insert(lsn, admitted);
    if (identity !== undefined) this.#options.onIdentity(lsn, identity);
    return lsn;
  }

  /** As `admit`; other workers are asked about columns that are new here, and only then. */
  async #agree(batch: IngestBatch, coordinator: Coordinator): Promise<Admitted> {
    const { store } = this.#options;
    const unknown = store.columns.unknownColumns(batch);
    if (unknown.length === 0) return store.admit(batch);
    const agreed = await coordinator.reserveColumns(unknown);
    store.columns.hold(agreed);
    try {
      return store.admit(batch);
    } catch (error) {
      // A refused batch leaves no trace, here or there.
      coordinator.releaseColumns(store.columns.forgetUnused(agreed));
      throw error;
    }
  }
}

/** A failed append as the answer to the client. */
export function asWriteError(error: unknown): unknown {
  if (!isWalError(error)) return error;
  const options = { details: { ...error.details, walCode: error.code }, cause: error };
  switch (error.code) {
    case "WAL_OVERLOADED":
      return new ServerError("SERVER_OVERLOADED", `the log is behind: ${error.message}`, options);
    case "WAL_RECORD_TOO_LARGE":
      return new ServerError(
        "SERVER_TOO_LARGE",
        `the request is too large for one record of the log, send it in parts: ${error.message}`,
        options,
      );
    case "WAL_NO_SPACE":
    case "WAL_POISONED":
    case "WAL_IO":
    case "WAL_CLOSED":
      return new ServerError(
        "SERVER_WAL_UNAVAILABLE",
        `the log does not take writes: ${error.message}`,
        options,
      );
    default:
      return error;
  }
}

function stopped(): ServerError {
  return new ServerError("SERVER_NOT_READY", "the server is stopping; nothing was kept");
}

function memoryFull(): ServerError {
  return new ServerError(
    "SERVER_OVERLOADED",
    "rows arrive faster than they are flushed; nothing of this request was kept, send it again later",
  );
}
