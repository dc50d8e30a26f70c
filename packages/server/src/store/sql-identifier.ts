/**
 * Names in SQL: how they are quoted, when two of them are the same, which of them cannot be used.
 *
 * DuckDB compares identifiers without regard to ASCII case (and to ASCII case only: `É` and `é` are two
 * columns). Whatever decides whether two names can live side by side uses {@link foldIdentifier}, so that
 * it never disagrees with the engine. Pure.
 */

/** Matches half of a surrogate pair without its other half: it has no UTF-8 form. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** The form under which DuckDB would find a name: ASCII letters in lower case, everything else as is. */
export function foldIdentifier(name: string): string {
  return name.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** A name as a quoted SQL identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as a SQL string literal. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * Says why a name cannot be a database, measurement or column, or `undefined` when it can.
 *
 * The engine has no empty identifiers, cuts names at a NUL, and cannot hold a lone surrogate, which has no
 * UTF-8 form: each of them would make two names one.
 */
export function identifierProblem(name: string): string | undefined {
  if (name.length === 0) return "is empty";
  if (name.includes("\0")) return "contains a NUL character";
  if (!isWellFormed(name)) return "is not well-formed Unicode";
  return undefined;
}

/** True when a text has a UTF-8 form of its own: no half of a surrogate pair stands alone. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}
