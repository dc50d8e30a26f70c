/**
 * What the tests of the store share: batches that read as tables, a store in a temporary directory, a
 * virtual clock, a catalog log in memory, and file operations that can be made to fail.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import type { Column, ColumnType, IngestBatch, TableBatch } from "../../src/ingest/table-batch.ts";
import { DEFAULT_SNAPSHOT_BYTES } from "../../src/store/catalog.ts";
import type { CatalogLog, CatalogLogRecord } from "../../src/store/catalog-log.ts";
import { openParquetWriter } from "../../src/store/parquet-writer.ts";
import type { StoreClock, StoreTimer } from "../../src/store/store-environment.ts";
import { nodeStoreFileSystem, type StoreFileSystem } from "../../src/store/store-file-system.ts";
import type { TableStoreOptions } from "../../src/store/store-options.ts";
import {
  openTableStoreWith,
  type TableStoreEnvironment,
} from "../../src/store/open-table-store.ts";
import { type TableStore } from "../../src/store/table-store.ts";

/** 2025-10-09T08:53:20Z, in the middle of an hour. */
export const SOME_TIME_NS = 1_760_000_000_000_000_000n;
export const HOUR_NS = 3_600_000_000_000n;

type Cell = string | number | bigint | boolean | null;

/** One column of a batch: its type and a value for each row. */
export type ColumnSpec = readonly [type: ColumnType, values: readonly Cell[]];

/** A batch of one table from readable columns. */
export function table(
  name: string,
  times: readonly bigint[],
  columns: Readonly<Record<string, ColumnSpec>>,
): TableBatch {
  const [database = "", ...rest] = name.split(".");
  return {
    database,
    measurement: rest.join("."),
    rowCount: times.length,
    timestamps: BigInt64Array.from(times),
    columns: Object.entries(columns).map(([column, [type, values]]) =>
      toColumn(column, type, values),
    ),
  };
}

/** A request of several tables. */
export function batch(...tables: readonly TableBatch[]): IngestBatch {
  return { tables, rowCount: tables.reduce((total, part) => total + part.rowCount, 0) };
}

/** `count` rows of one tag and one integer: what tests use that only count. */
export function rows(
  name: string,
  count: number,
  options: { readonly from?: number; readonly timeNs?: bigint; readonly stepNs?: bigint } = {},
): IngestBatch {
  const { from = 0, timeNs = SOME_TIME_NS, stepNs = 1_000_000n } = options;
  const numbers = Array.from({ length: count }, (_, index) => from + index);
  return batch(
    table(
      name,
      numbers.map((number) => timeNs + BigInt(number) * stepNs),
      {
        host: ["tag", numbers.map((number) => `host-${number % 7}`)],
        n: ["integer", numbers.map(BigInt)],
      },
    ),
  );
}

function toColumn(name: string, type: ColumnType, values: readonly Cell[]): Column {
  const hasNulls = values.includes(null);
  const validity = hasNulls ? new Uint8Array(Math.ceil(values.length / 8)) : undefined;
  values.forEach((value, row) => {
    if (validity === undefined || value === null) return;
    validity[row >> 3] = (validity[row >> 3] ?? 0) | (1 << (row & 7));
  });
  switch (type) {
    case "tag":
    case "string": {
      const dictionary = [...new Set(values.filter((value) => value !== null).map(String))];
      const codes = Uint32Array.from(values, (value) =>
        value === null ? 0 : dictionary.indexOf(String(value)),
      );
      return { name, type, validity, codes, dictionary };
    }
    case "float":
      return {
        name,
        type,
        validity,
        values: Float64Array.from(values, (value) => Number(value ?? 0)),
      };
    case "integer":
      return {
        name,
        type,
        validity,
        values: BigInt64Array.from(values, (value) => BigInt(value ?? 0)),
      };
    case "unsigned":
      return {
        name,
        type,
        validity,
        values: BigUint64Array.from(values, (value) => BigInt(value ?? 0)),
      };
    case "boolean":
      return {
        name,
        type,
        validity,
        values: Uint8Array.from(values, (value) => (value === true ? 1 : 0)),
      };
  }
}

/** A temporary directory, removed after the test. */
export async function temporaryDirectory(test: {
  after(fn: () => Promise<void>): void;
}): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "walnut-store-"));
  test.after(async () => await rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A clock that stands until it is moved. */
export class VirtualClock implements StoreClock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  /** What the wall clock says when the other one says 0: ten hours after {@link SOME_TIME_NS}. */
  wallClockStartMs = Number(SOME_TIME_NS / 1_000_000n) + 36_000_000;

  nowMs(): number {
    return this.#nowMs;
  }

  wallClockMs(): number {
    return this.wallClockStartMs + this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): StoreTimer {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter((timer) => timer.atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => !due.includes(timer));
    for (const timer of due) timer.callback();
  }
}

/** What a {@link MemoryCatalogLog} keeps: survives closing, as a disk would. */
export class MemoryCatalogDisk {
  records: CatalogLogRecord[] = [];
  nextLsn = 1;
  opened = 0;
  seals = 0;
  /** Called before records are kept; throwing there loses them. */
  beforeAppend: () => void = () => undefined;
  /** Called after records are kept; throwing there leaves them durable and not acknowledged. */
  afterAppend: () => void = () => undefined;

  #crashes = 0;

  /** Who has it open is gone: nothing more of theirs is kept. */
  crash(): void {
    this.#crashes++;
  }

  open(): CatalogLog {
    this.opened++;
    const opened = this.#crashes;
    let hasFailed = false;
    return {
      read: () => asAsync(this.records.slice()),
      append: async (payloads) => {
        await Promise.resolve();
        if (hasFailed || opened !== this.#crashes) throw new Error("the log is poisoned");
        try {
          this.beforeAppend();
          const firstLsn = this.nextLsn;
          for (const payload of payloads) {
            this.records.push({ lsn: this.nextLsn++, payload: payload.slice() });
          }
          this.afterAppend();
          return firstLsn;
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      },
      seal: async () => {
        this.seals++;
        await Promise.resolve();
      },
      release: async (lsn) => {
        if (opened !== this.#crashes) throw new Error("the log is poisoned");
        this.records = this.records.filter((record) => record.lsn >= lsn);
        await Promise.resolve();
      },
      close: async () => await Promise.resolve(),
    };
  }
}

async function* asAsync<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

export interface TestStore {
  readonly store: TableStore;
  readonly clock: VirtualClock;
  readonly errors: unknown[];
  readonly flushedLsns: number[];
}

/** Opens a store with a virtual clock and a catalog in memory, unless told otherwise. */
export async function openTestStore(
  directory: string,
  disk: MemoryCatalogDisk,
  overrides: Partial<TableStoreEnvironment> & {
    readonly options?: Partial<TableStoreOptions>;
  } = {},
): Promise<TestStore> {
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  const flushedLsns: number[] = [];
  const { options, ...environment } = overrides;
  const store = await openTableStoreWith(
    {
      files: nodeStoreFileSystem,
      clock,
      openCatalogLog: async () => await Promise.resolve(disk.open()),
      openParquetWriter: async () => await openParquetWriter(),
      catalogSnapshotBytes: DEFAULT_SNAPSHOT_BYTES,
      ...environment,
    },
    {
      directory,
      onBackgroundError: (error) => errors.push(error),
      onFlushed: (lsn) => flushedLsns.push(lsn),
      ...options,
    },
  );
  return { store, clock, errors, flushedLsns };
}

/** File operations that call `before` with their name first: what it throws, they throw. */
export function interceptedFiles(
  before: (operation: keyof StoreFileSystem, path: string) => void,
): StoreFileSystem {
  const real = nodeStoreFileSystem;
  const after = async <T>(
    operation: keyof StoreFileSystem,
    filePath: string,
    call: () => Promise<T>,
  ): Promise<T> => {
    before(operation, filePath);
    return await call();
  };
  return {
    makeDirectory: (name) => after("makeDirectory", name, () => real.makeDirectory(name)),
    syncDirectory: (name) => after("syncDirectory", name, () => real.syncDirectory(name)),
    syncFile: (name) => after("syncFile", name, () => real.syncFile(name)),
    rename: (from, to) => after("rename", from, () => real.rename(from, to)),
    removeFile: (name) => after("removeFile", name, () => real.removeFile(name)),
    fileSizeBytes: (name) => after("fileSizeBytes", name, () => real.fileSizeBytes(name)),
    listDirectory: (name) => after("listDirectory", name, () => real.listDirectory(name)),
  };
}

/** The first row of an answer. */
export async function one(store: TableStore, sql: string): Promise<readonly unknown[]> {
  const { rows: answer } = await store.query(sql);
  return answer[0] ?? [];
}
