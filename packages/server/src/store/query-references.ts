/**
 * What a SQL text asks for: the tables it names, and whether it may run at all.
 *
 * Works on the syntax tree that DuckDB itself makes of the text (`json_serialize_sql`), so that there is no
 * second opinion on quoting, comments or nesting. Admitted is one SELECT over tables named
 * `database.measurement`; functions in FROM are on a short list, since others read files, run further SQL or
 * change settings. The engine is locked down besides (query-engine.ts): either fence alone would hold.
 * Pure.
 */
import { ServerError } from "../errors.ts";
import { QueryWeight } from "./query-weight.ts";
import type { TableName } from "./table-name.ts";

/** A table named in a query, as it is written there. */
export interface TableReference extends TableName {
  /** Where the name begins, in bytes of the UTF-8 text; `undefined` when the engine does not say. */
  readonly offsetBytes: number | undefined;
}

/** Functions that may stand in FROM: none of them reads anything but its arguments. */
const TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  "range",
  "generate_series",
  "unnest",
  "repeat",
  "repeat_row",
  "json_each",
  "json_tree",
]);

/** Characters that make the engine take an unknown table name for a file to read. */
const FILE_NAME_CHARACTER = /[./\\*?:[]/;

/** Names of the engine's own tables, which are found without a database. */
const ENGINE_TABLE = /^(?:duckdb|pg|pragma|sqlite)_/i;

/** Offset that the engine gives when it has none: 2^64 - 1, rounded to a double. */
const MAX_OFFSET_BYTES = 2 ** 32;

/**
 * Tables that a query reads, or an error that says why it may not run.
 *
 * @param tree - what `json_serialize_sql` made of the text
 * @param sql - the text
 * @throws {ServerError} `SERVER_INVALID_QUERY`
 */
export function findReferences(tree: unknown, sql: string): readonly TableReference[] {
  if (!isRecord(tree)) throw invalid("the query could not be parsed");
  if (tree["error"] === true) {
    const message = textOf(tree["error_message"]);
    const position = Number(tree["position"]);
    throw invalid(
      tree["error_type"] === "not implemented"
        ? "only SELECT is allowed, and exactly one statement"
        : message,
      Number.isInteger(position) ? { offsetBytes: bytesOfCharacters(sql, position) } : {},
    );
  }
  const statements = tree["statements"];
  if (!Array.isArray(statements) || statements.length !== 1) {
    throw invalid("exactly one SELECT statement is expected");
  }
  return collect(statements[0]);
}

/** The parser counts characters, everything else bytes. */
function bytesOfCharacters(text: string, characters: number): number {
  return Buffer.byteLength([...text].slice(0, characters).join(""), "utf8");
}

interface Findings {
  readonly references: TableReference[];
  readonly unqualified: string[];
  readonly commonTableNames: Set<string>;
}

function collect(root: unknown): readonly TableReference[] {
  const findings: Findings = { references: [], unqualified: [], commonTableNames: new Set() };
  const weight = new QueryWeight();
  // An explicit stack: the depth of the tree is the client's choice.
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const node = stack.pop();
    if (Array.isArray(node)) {
      for (const item of node) stack.push(item);
    } else if (isRecord(node)) {
      inspect(node, findings);
      weight.add(node);
      for (const value of partsOf(node)) {
        if (typeof value === "object" && value !== null) stack.push(value);
      }
    }
  }
  for (const name of findings.unqualified) {
    if (findings.commonTableNames.has(name.toLowerCase())) continue;
    throw invalid(`unknown table "${name}": tables are named database.measurement`, {
      table: name,
    });
  }
  return findings.references;
}

/** What is below a node. A function in FROM makes rows one by one: only its arguments weigh something. */
function partsOf(node: Readonly<Record<string, unknown>>): readonly unknown[] {
  const call = node["function"];
  if (node["type"] !== "TABLE_FUNCTION" || !isRecord(call)) return Object.values(node);
  return [...Object.values({ ...node, function: undefined }), call["children"]];
}

function inspect(node: Readonly<Record<string, unknown>>, findings: Findings): void {
  const commonTables = node["cte_map"];
  if (isRecord(commonTables) && Array.isArray(commonTables["map"])) {
    for (const entry of commonTables["map"]) addCommonTable(entry, findings);
  }
  switch (node["type"]) {
    case "BASE_TABLE":
      inspectTable(node, findings);
      return;
    case "TABLE_FUNCTION":
      inspectTableFunction(node);
      return;
    case "SHOW_REF":
      // DESCRIBE and SUMMARIZE hold a query of their own; SHOW lists the engine's internals.
      if (!isRecord(node["query"]))
        throw invalid(
          "SHOW is not supported: DESCRIBE database.measurement has the columns, /query?q=SHOW MEASUREMENTS ON database the tables",
        );
      return;
    case "VALUE_PARAMETER":
      throw invalid("the query has a parameter, and there are no values for parameters");
    default:
      return;
  }
}

function addCommonTable(entry: unknown, findings: Findings): void {
  const name = isRecord(entry) ? textOf(entry["key"]) : "";
  if (FILE_NAME_CHARACTER.test(name)) {
    // Outside the scope of WITH the same name would be taken for a file.
    throw invalid(`name "${name}" in WITH: use letters, digits, underscores and spaces`);
  }
  if (ENGINE_TABLE.test(name)) {
    // Outside the scope of WITH the same name would be a table of the engine: it knows settings, paths, other queries.
    throw invalid(`name "${name}" in WITH: the engine has tables with such names, use another`);
  }
  findings.commonTableNames.add(name.toLowerCase());
}

function inspectTable(node: Readonly<Record<string, unknown>>, findings: Findings): void {
  const database = textOf(node["schema_name"]);
  const measurement = textOf(node["table_name"]);
  const catalog = textOf(node["catalog_name"]);
  if (catalog !== "") {
    throw invalid(
      `table "${catalog}"."${database}"."${measurement}" has three parts: tables are named ` +
        `database.measurement, and a part with dots needs quotes`,
    );
  }
  if (isRecord(node["at_clause"])) throw invalid("AT (…) after a table is not supported");
  if (database === "") {
    findings.unqualified.push(measurement);
    return;
  }
  const offset = Number(node["query_location"]);
  const offsetBytes = Number.isInteger(offset) && offset < MAX_OFFSET_BYTES ? offset : undefined;
  findings.references.push({ database, measurement, offsetBytes });
}

function inspectTableFunction(node: Readonly<Record<string, unknown>>): void {
  const call = node["function"];
  const name = isRecord(call) ? textOf(call["function_name"]) : "";
  if (TABLE_FUNCTIONS.has(name.toLowerCase())) return;
  throw invalid(`function ${name}() is not allowed in FROM`, { function: name });
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(
  reason: string,
  details: Readonly<Record<string, string | number>> = {},
): ServerError {
  return new ServerError("SERVER_INVALID_QUERY", reason, { details });
}
