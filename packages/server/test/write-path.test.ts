import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openWal, WalError, type WalErrorCode } from "@walnut/wal";
import { CoordinatorDesk } from "../src/coordinator/coordinator-desk.ts";
import { ServerError, type ServerErrorCode } from "../src/errors.ts";
import { decodeIngestBatch, encodeIngestBatch } from "../src/ingest/batch-codec.ts";
import { DEFAULT_INGEST_LIMITS } from "../src/ingest/ingest-limits.ts";
import type { IngestBatch } from "../src/ingest/table-batch.ts";
import { decodeWriteRecord } from "../src/ingest/write-record.ts";
import { MAX_RECORD_BYTES } from "../src/shard-storage.ts";
import { SchemaRegistry } from "../src/store/schema-registry.ts";
import { WritePath } from "../src/write-path.ts";
import { keyed } from "./idempotency/identities.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const BATCH: IngestBatch = {
  rowCount: 1,
  tables: [
    {
      database: "db",
      measurement: "cpu",
      rowCount: 1,
      timestamps: BigInt64Array.of(5n),
      columns: [{ name: "v", type: "float", validity: undefined, values: Float64Array.of(1.5) }],
    },
  ],
};

interface Setup {
  readonly path: WritePath<IngestBatch>;
  readonly calls: string[];
}

function setUp(options: {
  readonly append: (payload: Uint8Array) => Promise<number>;
  readonly admit?: (batch: IngestBatch) => IngestBatch;
  readonly memoryBytes?: number;
  readonly keepsPayloads?: boolean;
}): Setup {
  const calls: string[] = [];
  const path = new WritePath<IngestBatch>({
    log: {
      keepsPayloads: options.keepsPayloads ?? true,
      room: { taken: () => undefined, refused: () => undefined },
      append(payload) {
        calls.push("append");
        return options.append(payload);
      },
    },
    store: {
      admit(batch) {
        calls.push("admit");
        return options.admit?.(batch) ?? batch;
      },
      abandon: () => {
        calls.push("abandon");
        return [];
      },
      insert: (lsn) => void calls.push(`insert ${lsn}`),
      columns: new SchemaRegistry(),
    },
    coordinator: undefined,
    memoryBytes: () => options.memoryBytes ?? 0,
    maxMemoryBytes: 100,
    onIdentity: (lsn, identity) => void calls.push(`identity ${identity.name} ${lsn}`),
  });
  return { path, calls };
}

suite("WritePath", () => {
  test("admits, appends one record and inserts it under its LSN", async () => {
    const { path, calls } = setUp({ append: () => Promise.resolve(7) });
    assert.equal(await path.write(BATCH), 7);
    assert.deepEqual(calls, ["admit", "append", "insert 7"]);
  });

  test("logs an identity with the rows, and tells of it after the insert", async () => {
    let logged: Uint8Array | undefined;
    const { path, calls } = setUp({
      append: (payload) => {
        logged = payload.slice();
        return Promise.resolve(7);
      },
    });
    await path.write(BATCH, keyed("a"));
    assert.deepEqual(calls, ["admit", "append", "insert 7", "identity key:a 7"]);
    assert.ok(logged);
    assert.deepEqual(decodeWriteRecord(logged), { batch: BATCH, identity: keyed("a") });
  });

  test("logs what the store admitted, not what the client sent", async () => {
    const table = BATCH.tables[0];
    assert.ok(table);
    const admitted: IngestBatch = { rowCount: 1, tables: [{ ...table, measurement: "admitted" }] };
    let logged: Uint8Array | undefined;
    const { path } = setUp({
      admit: () => admitted,
      append: (payload) => {
        logged = payload.slice();
        return Promise.resolve(1);
      },
    });
    await path.write(BATCH);
    assert.ok(logged);
    assert.equal(decodeIngestBatch(logged).tables[0]?.measurement, "admitted");
  });

  test("encodes nothing for a log that keeps nothing", async () => {
    const sizes: number[] = [];
    const { path } = setUp({
      keepsPayloads: false,
      append: (payload) => {
        sizes.push(payload.byteLength);
        return Promise.resolve(1);
      },
    });
    await path.write(BATCH);
    assert.deepEqual(sizes, [0]);
  });

  test("keeps nothing of a batch that is not admitted", async () => {
    const refusal = new ServerError("SERVER_TYPE_CONFLICT", "no");
    const { path, calls } = setUp({
      append: () => assert.fail(),
      admit: () => {
        throw refusal;
      },
    });
    await assert.rejects(path.write(BATCH), refusal);
    assert.deepEqual(calls, ["admit"]);
  });

  test("refuses when memory is full, before anything else", async () => {
    const { path, calls } = setUp({ append: () => assert.fail(), memoryBytes: 100 });
    await assert.rejects(
      path.write(BATCH),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_OVERLOADED",
    );
    assert.deepEqual(calls, []);
  });

  test("a stop waits for appends under way and refuses what comes after", async () => {
    let finish: ((lsn: number) => void) | undefined;
    const { path, calls } = setUp({ append: () => new Promise((resolve) => (finish = resolve)) });
    const writing = path.write(BATCH);
    let isIdle = false;
    const stopping = path.stop().then(() => (isIdle = true));
    await assert.rejects(
      path.write(BATCH),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_NOT_READY",
    );
    assert.equal(isIdle, false);
    finish?.(3);
    await Promise.all([writing, stopping]);
    assert.deepEqual(calls, ["admit", "append", "insert 3"]);
    await path.stop();
  });

  const failures: readonly [WalErrorCode, ServerErrorCode][] = [
    ["WAL_POISONED", "SERVER_WAL_UNAVAILABLE"],
    ["WAL_NO_SPACE", "SERVER_WAL_UNAVAILABLE"],
    ["WAL_IO", "SERVER_WAL_UNAVAILABLE"],
    ["WAL_CLOSED", "SERVER_WAL_UNAVAILABLE"],
    ["WAL_OVERLOADED", "SERVER_OVERLOADED"],
    ["WAL_RECORD_TOO_LARGE", "SERVER_TOO_LARGE"],
  ];
  for (const [walCode, code] of failures) {
    test(`answers ${walCode} with ${code}, and takes the reservation back`, async () => {
      const cause = new WalError(walCode, "no");
      const { path, calls } = setUp({ append: () => Promise.reject(cause) });
      await assert.rejects(
        path.write(BATCH),
        (error: unknown) =>
          error instanceof ServerError && error.code === code && error.cause === cause,
      );
      assert.deepEqual(calls, ["admit", "append", "abandon"]);
    });
  }

  test("a batch at the limit of the decoders is a record that the log takes with a key; one that is larger is refused", async (context) => {
    const wal = await openWal({
      directory: await temporaryDirectory(),
      durability: "memory",
      maxRecordBytes: MAX_RECORD_BYTES,
    });
    context.after(() => wal.close());
    const append = (payload: Uint8Array): Promise<number> => wal.append(payload);
    const { path } = setUp({ append });
    const { maxBatchBytes } = DEFAULT_INGEST_LIMITS;
    const largest = batchOfBytes(maxBatchBytes);
    assert.equal(encodeIngestBatch(largest).byteLength, maxBatchBytes);
    const identity = keyed("k".repeat(255));
    assert.equal(await path.write(largest, identity), 1, "with the longest key");
    await assert.rejects(
      path.write(batchOfBytes(MAX_RECORD_BYTES + 8)),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_TOO_LARGE",
    );
    assert.equal(await path.write(largest), 2, "a refused record leaves no gap");
  });

  test("asks the coordinator about columns that are new here, and gives back those of a failed write", async () => {
    const registry = new SchemaRegistry();
    const desk = new CoordinatorDesk(2);
    await desk.forWorker(2).reportSchemas([]);
    const own = desk.forWorker(1);
    await own.reportSchemas([]);
    const asked: string[] = [];
    let failure: WalError | undefined;
    let lsn = 0;
    const path = new WritePath({
      log: {
        keepsPayloads: true,
        room: { taken: () => undefined, refused: () => undefined },
        append: () => (failure === undefined ? Promise.resolve(++lsn) : Promise.reject(failure)),
      },
      store: {
        columns: registry,
        admit: (batch) => registry.admit(batch),
        abandon: (batch) => registry.abandon(batch),
        insert: (_, batch) => batch.tables.forEach((table) => registry.commit(table)),
      },
      coordinator: {
        ...own,
        reserveColumns: (columns) => {
          asked.push(...columns.map(({ name }) => name));
          return own.reserveColumns(columns);
        },
      },
      memoryBytes: () => 0,
      maxMemoryBytes: 100,
      onIdentity: () => {},
    });
    failure = new WalError("WAL_NO_SPACE", "full");
    await assert.rejects(path.write(BATCH), { code: "SERVER_WAL_UNAVAILABLE" });
    failure = undefined;
    const wanted = { database: "db", measurement: "cpu", name: "v", type: "integer" } as const;
    const other = desk.forWorker(2);
    assert.deepEqual(await other.reserveColumns([wanted]), [wanted], "nothing was kept of it");
    await assert.rejects(path.write(BATCH), { code: "SERVER_TYPE_CONFLICT" });
    other.releaseColumns([wanted]);
    await path.write(BATCH);
    await path.write(BATCH);
    assert.deepEqual(asked, ["v", "v", "v"], "a column that is known here is not asked for again");
    assert.equal((await other.reserveColumns([wanted]))[0]?.type, "float");
  });
});

/** A batch whose record has exactly this many bytes, a multiple of 8. */
function batchOfBytes(bytes: number): IngestBatch {
  const empty = encodeIngestBatch(batchOfRows(0)).byteLength;
  return batchOfRows((bytes - empty) / 8);
}

function batchOfRows(rowCount: number): IngestBatch {
  const timestamps = new BigInt64Array(rowCount);
  const table = { database: "d", measurement: "m", rowCount, timestamps, columns: [] };
  return { tables: [table], rowCount };
}
