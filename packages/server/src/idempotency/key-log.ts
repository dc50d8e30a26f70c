/**
 * Identities of stored writes whose records the log has released: a small log of its own, one for each shard.
 *
 * The log of the shard holds every identity together with its rows, until the rows are in Parquet and the
 * cursor lets the record go. Just before that, its identity is put here. So at every moment each identity of
 * the window is in one of the two logs, or in both, which does no harm. Records are in order of time; those
 * whose identities have left the window, or are more than may be remembered, are released from the front.
 *
 * The log is made by the first identity that has to be kept: without any, there is no file and no work.
 */
import { stat } from "node:fs/promises";
import { openWal, type Cursor, type Wal } from "@walnut/wal";
import { ifThere } from "../if-there.ts";
import {
  identityBytes,
  readIdentity,
  writeIdentity,
  type WriteIdentity,
} from "./write-identity.ts";

/** What the log of identities needs. */
export interface KeyLogOptions {
  readonly directory: string;
  /** How long an identity is kept, in milliseconds. */
  readonly windowMs: number;
  /** Identities kept; beyond it the oldest go early. */
  readonly maxKeys: number;
  /** Wall clock in milliseconds. */
  readonly nowMs: () => number;
}

const SEGMENT_BYTES = 4 * 1024 * 1024; // 4 MiB
const BUFFER_BYTES = 256 * 1024; // 256 KiB
const PREWRITE_BYTES = 64 * 1024; // 64 KiB
const IDENTITIES_PER_RECORD = 500;
const CURSOR_NAME = "window";

/** One record: how many identities it holds and when the last of them was accepted. */
interface StoredRecord {
  readonly lsn: number;
  readonly count: number;
  readonly acceptedAtMs: number;
}

interface OpenLog {
  readonly wal: Wal;
  readonly cursor: Cursor;
}

/** Opens the log of identities if there is one. */
export async function openKeyLog(
  options: KeyLogOptions,
): Promise<{ readonly log: KeyLog; readonly identities: readonly WriteIdentity[] }> {
  const log = new KeyLog(options);
  return { log, identities: await log.load() };
}

/** The log of identities of one shard. */
export class KeyLog {
  readonly #options: KeyLogOptions;
  #open: OpenLog | undefined;
  /** What the log holds, oldest first. */
  #records: StoredRecord[] = [];
  /** Identities that only the shard's log holds, in the order of their LSNs. */
  #unsaved: { readonly lsn: number; readonly identity: WriteIdentity }[] = [];

  /** @internal use {@link openKeyLog} */
  constructor(options: KeyLogOptions) {
    this.#options = options;
  }

  /** @internal Everything that is kept and inside the window, oldest first. */
  async load(): Promise<readonly WriteIdentity[]> {
    if ((await ifThere(stat(this.#options.directory))) === undefined) return [];
    const { wal, cursor } = await this.#openLog();
    const identities: WriteIdentity[] = [];
    const oldestMs = this.#options.nowMs() - this.#options.windowMs;
    for await (const { lsn, payload } of wal.read({ from: cursor.lsn + 1 })) {
      const found = decodeIdentities(payload);
      this.#records.push(describe(lsn, found));
      identities.push(...found.filter(({ acceptedAtMs }) => acceptedAtMs >= oldestMs));
    }
    return identities;
  }

  /** The shard's log holds this identity under this LSN. Called in the order of LSNs. */
  remember(lsn: number, identity: WriteIdentity): void {
    this.#unsaved.push({ lsn, identity });
  }

  /**
   * Makes all identities up to an LSN durable here. The shard's log may then release their records.
   *
   * A failure leaves them to the next call, which begins by opening the log again: that decides what is there.
   */
  async saveThrough(lsn: number): Promise<void> {
    const later = this.#unsaved.findIndex((entry) => entry.lsn > lsn);
    const count = later === -1 ? this.#unsaved.length : later;
    if (count === 0) return;
    const oldestMs = this.#options.nowMs() - this.#options.windowMs;
    const identities = this.#unsaved
      .slice(0, count)
      .map((entry) => entry.identity)
      .filter(({ acceptedAtMs }) => acceptedAtMs >= oldestMs);
    if (identities.length > 0) await this.#append(identities);
    this.#unsaved.splice(0, count);
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.wal.close();
  }

  async #append(identities: readonly WriteIdentity[]): Promise<void> {
    const parts: (readonly WriteIdentity[])[] = [];
    for (let at = 0; at < identities.length; at += IDENTITIES_PER_RECORD) {
      parts.push(identities.slice(at, at + IDENTITIES_PER_RECORD));
    }
    const open = await this.#openLog();
    try {
      // CRASH: keys-1 leaves them here and in the shard's log, or only there; the cursor has not moved.
      const { firstLsn } = await open.wal.appendBatch(parts.map(encodeIdentities));
      this.#records.push(...parts.map((part, index) => describe(firstLsn + index, part)));
      // CRASH: keys-2 leaves records that are outside of the window: they are not taken in at the next start.
      await this.#releaseOld(open.cursor);
    } catch (error) {
      await this.close().catch(() => undefined); // It failed before, and that is what is reported.
      throw error;
    }
  }

  async #releaseOld(cursor: Cursor): Promise<void> {
    const { windowMs, maxKeys, nowMs } = this.#options;
    const oldestMs = nowMs() - windowMs;
    let kept = this.#records.reduce((sum, record) => sum + record.count, 0);
    let released = 0;
    for (const { count, acceptedAtMs } of this.#records) {
      if (acceptedAtMs >= oldestMs && kept - count < maxKeys) break;
      kept -= count;
      released++;
    }
    const last = this.#records[released - 1];
    if (last === undefined) return;
    await cursor.ack(last.lsn);
    this.#records = this.#records.slice(released);
  }

  async #openLog(): Promise<OpenLog> {
    if (this.#open !== undefined) return this.#open;
    const wal = await openWal({
      directory: this.#options.directory,
      durability: "fdatasync",
      segmentSizeBytes: SEGMENT_BYTES,
      bufferSizeBytes: BUFFER_BYTES,
      prewriteBytes: PREWRITE_BYTES,
    });
    this.#open = { wal, cursor: wal.cursor(CURSOR_NAME) };
    return this.#open;
  }
}

function describe(lsn: number, identities: readonly WriteIdentity[]): StoredRecord {
  const acceptedAtMs = Math.max(...identities.map((identity) => identity.acceptedAtMs));
  return { lsn, count: identities.length, acceptedAtMs };
}

function encodeIdentities(identities: readonly WriteIdentity[]): Uint8Array {
  const sizes = identities.map(identityBytes);
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [index, identity] of identities.entries()) {
    writeIdentity(bytes, at, identity);
    at += sizes[index] ?? 0;
  }
  return bytes;
}

/** @throws {ServerError} `SERVER_STORAGE_CORRUPT` */
function decodeIdentities(bytes: Uint8Array): readonly WriteIdentity[] {
  const identities: WriteIdentity[] = [];
  for (let at = 0; at < bytes.length;) {
    const identity = readIdentity(bytes, at);
    identities.push(identity);
    at += identityBytes(identity);
  }
  return identities;
}
