/**
 * How many admitted batches of a table are on their way between types and memory.
 *
 * While there is one, the types that it was admitted with must stay: its rows are, or will be, in the log.
 */
import type { IngestBatch } from "../ingest/table-batch.ts";
import { tableKey } from "./table-name.ts";

/** Counts batches that were admitted and neither inserted nor abandoned. */
export class AdmittedTables {
  readonly #counts = new Map<string, number>();

  has(key: string): boolean {
    return this.#counts.has(key);
  }

  enter(batch: IngestBatch): void {
    for (const table of batch.tables) {
      const key = tableKey(table);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
  }

  leave(batch: IngestBatch): void {
    for (const table of batch.tables) {
      const key = tableKey(table);
      const count = (this.#counts.get(key) ?? 0) - 1;
      if (count > 0) this.#counts.set(key, count);
      else this.#counts.delete(key);
    }
  }
}
