/**
 * The catalog's log as a `@walnut/wal` log.
 *
 * The log locks its directory, so a data directory has one owner. A cursor named "snapshot" holds the
 * records that are still needed; what is below it, the log removes segment by segment.
 */
import { openWal, type Cursor, type Wal } from "@walnut/wal";
import type { CatalogLog, CatalogLogRecord } from "./catalog-log.ts";

/** Levels at which a commit survives at least a crash of the process. */
export type CatalogDurability = "fsync" | "fdatasync" | "async";

/** A catalog is small; small segments let a snapshot free what is old. */
const SEGMENT_BYTES = 16 * 1024 * 1024; // 16 MiB
/** A flush over very many hours is one record all the same: about a million files fit. */
const MAX_RECORD_BYTES = 268_435_455;

/** Opens the log in a directory, which is created when it is not there. */
export async function openWalCatalogLog(options: {
  readonly directory: string;
  readonly durability: CatalogDurability;
}): Promise<CatalogLog> {
  const { directory, durability } = options;
  const wal = await openWal({
    directory,
    durability,
    segmentSizeBytes: SEGMENT_BYTES,
    maxRecordBytes: MAX_RECORD_BYTES,
    maxPendingBytes: 2 * MAX_RECORD_BYTES,
  });
  return new WalCatalogLog(wal);
}

class WalCatalogLog implements CatalogLog {
  readonly #wal: Wal;
  readonly #needed: Cursor;

  constructor(wal: Wal) {
    this.#wal = wal;
    this.#needed = wal.cursor("snapshot");
  }

  read(): AsyncIterable<CatalogLogRecord> {
    return this.#wal.read({ from: this.#wal.positions.firstLsn });
  }

  async append(payloads: readonly Uint8Array[]): Promise<number> {
    const { firstLsn } = await this.#wal.appendBatch(payloads);
    return firstLsn;
  }

  async seal(): Promise<void> {
    await this.#wal.rotate();
  }

  async release(lsn: number): Promise<void> {
    await this.#needed.ack(lsn - 1);
  }

  async close(): Promise<void> {
    await this.#wal.close();
  }
}
