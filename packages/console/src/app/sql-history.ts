/** The queries that were run, the newest first, each once. Pure. */

/** Queries that are remembered. */
export const MAX_QUERIES = 50;

/** The list with one more query. */
export function rememberQuery(queries: readonly string[], sql: string): readonly string[] {
  const text = sql.trim();
  if (text === "") return queries;
  return [text, ...queries.filter((other) => other !== text)].slice(0, MAX_QUERIES);
}

/** The SQL that shows the newest rows of a table. Names that are not plain need quotes. */
export function newestRowsSql(database: string, measurement: string): string {
  return `SELECT *\nFROM ${identifier(database)}.${identifier(measurement)}\nORDER BY time DESC\nLIMIT 200`;
}

function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name)
    ? name
    : `"${name.replaceAll('"', '""')}"`;
}

/** Words of SQL that people call databases and measurements. */
const RESERVED: ReadonlySet<string> = new Set(
  "all analyse and any as asc both case cast check collate column constraint create default desc distinct do else end except false fetch for foreign from group having in initially intersect into lambda lateral leading limit not null offset on only or order pivot primary qualify references returning select show some summarize symmetric table then to trailing true union unique unpivot using variadic when where window with".split(
    " ",
  ),
);
