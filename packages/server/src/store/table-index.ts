/**
 * The tables of a store by name: exactly, and as SQL compares names.
 *
 * Only names and the tables in memory that carry them; what the catalog says of a table is not known here. Nor is
 * which table a query means: other shards may have one of the name too, see shard-snapshot.ts.
 */
import { foldIdentifier } from "./sql-identifier.ts";
import { tableKey, type TableName } from "./table-name.ts";
import { TableState, type BufferedTotals } from "./table-state.ts";

/** All tables, each created when it is first named. */
export class TableIndex implements Iterable<TableState> {
  readonly #totals: BufferedTotals;
  readonly #tables = new Map<string, TableState>();
  /** Tables by the form of their name that SQL compares. */
  readonly #byFoldedName = new Map<string, readonly TableState[]>();

  /** @param totals - shared by all tables, see {@link TableState} */
  constructor(totals: BufferedTotals) {
    this.#totals = totals;
  }

  [Symbol.iterator](): Iterator<TableState> {
    return this.#tables.values();
  }

  get(key: string): TableState | undefined {
    return this.#tables.get(key);
  }

  /** The table of this name, made if it is new. */
  ensure(name: TableName): TableState {
    const key = tableKey(name);
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = new TableState(name, this.#totals);
      this.#tables.set(key, table);
      const folded = foldIdentifier(key);
      this.#byFoldedName.set(folded, [...(this.#byFoldedName.get(folded) ?? []), table]);
    }
    return table;
  }

  /** All tables whose names SQL does not tell apart from this one. */
  alike(name: TableName): readonly TableState[] {
    return this.#byFoldedName.get(foldIdentifier(tableKey(name))) ?? [];
  }
}
