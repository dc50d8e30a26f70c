/**
 * Which rows a DELETE is about: times, and tags that must have a value. Pure.
 *
 * The predicate is InfluxDB's: `_measurement="cpu" AND host="a"`, equality and AND and nothing else.
 */
import { ServerError } from "../errors.ts";
import type { CatalogFile, ColumnSchema } from "./catalog-record.ts";
import { TIME_COLUMN } from "./column-type.ts";
import { quoteIdentifier, quoteLiteral } from "./sql-identifier.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "./timestamp-range.ts";

/** Rows to delete; all of a table when nothing is given. */
export interface DeleteCriteria {
  /** First time, in nanoseconds. */
  readonly startNs?: bigint | undefined;
  /** First time that is not meant any more. */
  readonly stopNs?: bigint | undefined;
  /** Text columns and the value that each must have; an empty value is none at all. */
  readonly tags: readonly TagCondition[];
}

export interface TagCondition {
  readonly name: string;
  readonly value: string;
}

/** What a DELETE does with a file. */
export type FileFate = "keep" | "drop" | "look";

/** What criteria mean for one file, as far as the catalog can tell. */
export function fateOf(
  file: CatalogFile,
  columns: readonly string[],
  { startNs, stopNs, tags }: DeleteCriteria,
): FileFate {
  const [minNs, maxNs] = [BigInt(file.minTime), BigInt(file.maxTime)];
  if (startNs !== undefined && maxNs < startNs) return "keep";
  if (stopNs !== undefined && minNs >= stopNs) return "keep";
  // No row of the file has a value there.
  if (tags.some(({ name, value }) => value !== "" && !columns.includes(name))) return "keep";
  const isInside =
    (startNs === undefined || minNs >= startNs) && (stopNs === undefined || maxNs < stopNs);
  return isInside && tags.length === 0 ? "drop" : "look";
}

/** SQL condition of the rows that are meant, over a file with these columns. Never NULL. */
export function conditionOf(
  { startNs, stopNs, tags }: DeleteCriteria,
  columns: readonly string[],
): string {
  const time = quoteIdentifier(TIME_COLUMN);
  const terms: string[] = [];
  // Bounds outside of what a column can hold would be read as infinity, or not at all.
  if (startNs !== undefined && startNs > MAX_TIMESTAMP_NS) terms.push("false");
  else if (startNs !== undefined && startNs > MIN_TIMESTAMP_NS) {
    terms.push(`${time} >= make_timestamp_ns(${startNs})`);
  }
  if (stopNs !== undefined && stopNs <= MIN_TIMESTAMP_NS) terms.push("false");
  else if (stopNs !== undefined && stopNs <= MAX_TIMESTAMP_NS) {
    terms.push(`${time} < make_timestamp_ns(${stopNs})`);
  }
  for (const { name, value } of tags) {
    const present = columns.includes(name) ? quoteIdentifier(name) : "NULL";
    terms.push(`coalesce(${present}, '') = ${quoteLiteral(value)}`);
  }
  return terms.length === 0 ? "true" : `(${terms.join(" AND ")})`;
}

/**
 * Refuses conditions on columns that hold something else than text.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST`
 */
export function assertTagConditions(
  { tags }: DeleteCriteria,
  schema: readonly ColumnSchema[],
): void {
  for (const { name } of tags) {
    const type = schema.find((column) => column.name === name)?.type;
    if (type === undefined || type === "tag" || type === "string") continue;
    throw invalid(`column "${name}" is ${type}; rows are chosen by time and by tags only`);
  }
}

/** A predicate, taken apart. */
export interface DeletePredicate {
  readonly measurement: string | undefined;
  readonly tags: readonly TagCondition[];
}

const TERM =
  /^\s*(?:"((?:[^"\\]|\\.)*)"|([\p{L}\p{N}_.:/-]+))\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([\p{L}\p{N}_.:/-]+))/u;
const AND = /^\s+and\s+/i;
const MAX_PREDICATE_LENGTH = 65_536;

/**
 * Reads `_measurement="cpu" AND host="a"`. An empty text is no condition.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST`, with the rest that was not understood
 */
export function parseDeletePredicate(text: string): DeletePredicate {
  if (text.includes("\0")) throw invalid("the predicate contains a NUL character");
  if (text.length > MAX_PREDICATE_LENGTH) throw invalid("the predicate is too long");
  let measurement: string | undefined;
  const tags: TagCondition[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const match = TERM.exec(rest);
    if (match === null) throw notUnderstood(rest);
    const name = unescape(match[1]) ?? match[2] ?? "";
    const value = unescape(match[3] ?? match[4]) ?? match[5] ?? "";
    if (name === "_measurement") {
      if (measurement !== undefined) throw invalid("the predicate names _measurement twice");
      measurement = value;
    } else if (name === "_field" || name === "_value" || name === "_time") {
      throw invalid(`"${name}" cannot be part of the predicate: whole rows are deleted, by tags`);
    } else {
      tags.push({ name, value });
    }
    rest = rest.slice(match[0].length);
    if (rest.trim() === "") break;
    const and = AND.exec(rest);
    if (and === null) throw notUnderstood(rest);
    rest = rest.slice(and[0].length);
    if (rest.trim() === "") throw notUnderstood(and[0]);
  }
  return { measurement, tags };
}

function unescape(text: string | undefined): string | undefined {
  return text?.replaceAll(/\\(.)/gu, "$1");
}

function notUnderstood(rest: string): ServerError {
  return invalid(
    `the predicate cannot be read at ${JSON.stringify(rest.slice(0, 80))}; ` +
      'expected terms like _measurement="cpu" AND host="a"',
  );
}

function invalid(message: string): ServerError {
  return new ServerError("SERVER_INVALID_REQUEST", message);
}
