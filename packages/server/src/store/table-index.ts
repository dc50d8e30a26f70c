/**
 * The tables of a store by name: exactly, and as SQL compares names.
 *
 * Only names and the tables in memory that carry them; what the catalog says of a table is not known here.
 */
import { ServerError } from "../errors.ts";
import { nearNames } from "./near-names.ts";
import { foldIdentifier } from "./sql-identifier.ts";
import { describeTable, tableKey, type TableName } from "./table-name.ts";
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

  /**
   * The table of exactly this name, or the only one that SQL takes for the same.
   *
   * @param isVisible - false for a table that nobody shall find, such as a deleted one
   * @throws {ServerError} `SERVER_INVALID_QUERY`, naming tables that are called alike
   */
  resolve(reference: TableName, isVisible: (table: TableState) => boolean): TableState {
    const key = tableKey(reference);
    const exact = this.#tables.get(key);
    if (exact !== undefined && isVisible(exact)) return exact;
    const alike = (this.#byFoldedName.get(foldIdentifier(key)) ?? []).filter(isVisible);
    const [only] = alike;
    if (only !== undefined && alike.length === 1) return only;
    const candidates = alike.length > 1 ? alike : [...this.#tables.values()].filter(isVisible);
    const near = nearNames(describeTable(reference), candidates.map(describeTable));
    const hint = near.length === 0 ? "" : `; did you mean ${near.join(", ")}?`;
    throw new ServerError(
      "SERVER_INVALID_QUERY",
      `unknown table ${describeTable(reference)}${hint}`,
      { details: { database: reference.database, measurement: reference.measurement } },
    );
  }
}
