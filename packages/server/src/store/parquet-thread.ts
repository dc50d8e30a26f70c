/**
 * A Parquet writer in a thread of its own: large flushes leave the event loop to requests.
 *
 * DuckDB asks for rows by callbacks on the thread that registered them. On the main thread those wait behind
 * requests, and requests behind sorting and copying; under load flushes starved. Here the main thread hands
 * its copy of the rows over without copying again, and the other one sorts, splits by hour and writes.
 *
 * The thread starts with the first flush that is large enough; small ones are written where they are, which
 * costs less than handing them over. A thread that dies fails the flushes under way; the next one starts a
 * new thread.
 */
import { Worker } from "node:worker_threads";
import type { HourFacts } from "./hour-partition.ts";
import { buffersOf, packRows, type PackedRows } from "./packed-rows.ts";
import { openParquetWriter, type ParquetWriter, type StagedRows } from "./parquet-writer.ts";
import type { RowSet } from "./row-buffer.ts";

/** What the main thread asks for. `stage` numbers the rows of one flush. */
export type ThreadRequest =
  | { readonly kind: "stage"; readonly stage: number; readonly rows: PackedRows }
  | {
      readonly kind: "write";
      readonly stage: number;
      readonly hour: number;
      readonly path: string;
    }
  | { readonly kind: "release"; readonly stage: number }
  | { readonly kind: "close" };

/** A request and the number that its answer carries. */
export type ThreadMessage = ThreadRequest & { readonly id: number };

/** What comes back: hours for `stage`, nothing for the others, or why it failed. */
export type ThreadAnswer =
  | { readonly id: number; readonly hours: readonly HourFacts[] | undefined }
  | { readonly id: number; readonly error: unknown };

/** Rows below which a flush is written on the main thread. */
const MIN_THREAD_ROWS = 1_000;

/** The built program of the thread, beside this file once that is built. */
const PROGRAM = new URL("./parquet-thread-program.js", import.meta.url);

/** False when the sources run as they are: whatever compiles them does not do it in threads. */
const IS_BUILT = import.meta.url.endsWith(".js");

/** Opens a writer for flushes of any size. */
export async function openThreadedParquetWriter(
  options: { readonly minThreadRows?: number } = {},
): Promise<ParquetWriter> {
  const { minThreadRows = MIN_THREAD_ROWS } = options;
  const here = await openParquetWriter();
  const thread = new ParquetThread();
  return {
    stage: (rows) => {
      const isSmall = rows.rowCount < minThreadRows;
      return isSmall || !IS_BUILT ? here.stage(rows) : thread.stage(rows);
    },
    async close() {
      await here.close();
      await thread.close();
    },
  };
}

interface Waiter {
  resolve(hours: readonly HourFacts[] | undefined): void;
  reject(error: unknown): void;
}

/** The main thread's end. */
class ParquetThread implements ParquetWriter {
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #waiters = new Map<number, Waiter>();

  async stage(rows: RowSet): Promise<StagedRows> {
    const worker = this.#running();
    const stage = this.#nextId;
    const packed = packRows(rows);
    const hours = await this.#ask(
      worker,
      { kind: "stage", stage, rows: packed },
      buffersOf(packed),
    );
    return {
      hours: hours ?? [],
      write: async (hour, path) => {
        await this.#ask(worker, { kind: "write", stage, hour, path });
      },
      release: () => {
        // A thread that is gone has forgotten everything.
        this.#ask(worker, { kind: "release", stage }).catch(() => undefined);
      },
    };
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    // Dead before it could answer is closed as well.
    await this.#ask(worker, { kind: "close" }).catch(() => undefined);
    worker.ref();
    await exited;
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    // None of the flags of this process: built files need none, and some are refused by threads.
    const worker = new Worker(PROGRAM, { name: "walnut-parquet", execArgv: [] });
    // Only work under way keeps the process alive.
    worker.unref();
    let failure: unknown;
    worker.on("message", (answer: ThreadAnswer) => this.#answered(worker, answer));
    worker.on("error", (error) => (failure = error));
    worker.on("exit", () => this.#ended(worker, failure));
    this.#worker = worker;
    return worker;
  }

  async #ask(
    worker: Worker,
    request: ThreadRequest,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<readonly HourFacts[] | undefined> {
    if (this.#worker !== worker) throw threadEnded(undefined);
    const id = this.#nextId++;
    const message: ThreadMessage = { ...request, id };
    return await new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage(message, transfer);
    });
  }

  #answered(worker: Worker, answer: ThreadAnswer): void {
    const waiter = this.#waiters.get(answer.id);
    this.#waiters.delete(answer.id);
    if (this.#waiters.size === 0) worker.unref();
    if ("error" in answer) waiter?.reject(answer.error);
    else waiter?.resolve(answer.hours);
  }

  #ended(worker: Worker, failure: unknown): void {
    if (this.#worker === worker) this.#worker = undefined;
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(threadEnded(failure));
  }
}

function threadEnded(failure: unknown): Error {
  const reason = failure instanceof Error ? `: ${failure.message}` : "";
  return new Error(`the thread that writes Parquet files ended${reason}`, { cause: failure });
}
