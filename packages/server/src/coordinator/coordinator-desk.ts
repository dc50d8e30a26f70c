/**
 * The coordinator itself: one for all workers, in the process that has none of their data.
 *
 * Until every worker has told what it recovered, a new column cannot be agreed on: the one that has not spoken
 * may hold it with another type in its log. A worker that dies later keeps what it held until it comes back
 * and tells anew, so the others go on.
 */
import { ServerError } from "../errors.ts";
import { ColumnAgreement } from "./column-agreement.ts";
import type { Coordinator, TableColumn, TableSchema } from "./coordinator.ts";

/** Decides for a number of workers. */
export class CoordinatorDesk {
  readonly #columns = new ColumnAgreement();
  readonly #silent: Set<number>;

  constructor(workers: number) {
    this.#silent = new Set(Array.from({ length: workers }, (_, index) => index + 1));
  }

  /** The desk as one worker sees it. */
  forWorker(worker: number): Coordinator {
    return {
      reserveColumns: (columns) => settle(() => this.#reserve(worker, columns)),
      releaseColumns: (columns) => this.#columns.release(worker, columns),
      reportSchemas: (tables) => settle(() => this.#report(worker, tables)),
    };
  }

  #reserve(worker: number, columns: readonly TableColumn[]): readonly TableColumn[] {
    if (this.#silent.size > 0) throw notAllRecovered([...this.#silent]);
    return this.#columns.reserve(worker, columns);
  }

  #report(worker: number, tables: readonly TableSchema[]): void {
    this.#columns.replace(worker, tables);
    this.#silent.delete(worker);
  }
}

/** A decision made at once, as a promise: what it throws, the promise rejects with. */
function settle<T>(decide: () => T): Promise<T> {
  return new Promise((resolve) => resolve(decide()));
}

function notAllRecovered(silent: readonly number[]): ServerError {
  const names = silent.map((worker) => `worker ${worker}`).join(", ");
  return new ServerError(
    "SERVER_NOT_READY",
    `the request brings a new column, and the types in the log of ${names} are not known yet; try again soon`,
    { details: { workers: silent.join(",") } },
  );
}
