/**
 * What a query must not weigh before it runs: the parts of the engine that no limit of its own covers.
 *
 * The engine bounds memory and time of the rows that it moves, not of one value that a function makes, and it
 * cannot be interrupted while it plans. So functions whose result is as large as an argument says have a
 * limit on that argument, and the parts of a query that planning is worst at have a limit on their number.
 * Sizes are multiplied over the whole text, because the result of one call can be the argument of another.
 * Works on the syntax tree, see query-references.ts. Pure.
 */
import { ServerError } from "../errors.ts";

/** Characters or elements that the calls of a query may make out of nothing. */
export const MAX_MADE_SIZE = 100_000;
/** Planning a UNION takes time in the square of its parts: 4,000 of them more than a second. */
export const MAX_SET_OPERATIONS = 500;
/** 200 joins are planned for longer than anybody waits. */
export const MAX_JOINS = 50;

/**
 * Functions that no limit can stop: one call waits for as long as its argument says, or takes time or memory in the
 * product of two lengths, and the engine is not interrupted inside of a call. `write_log` fills a log in memory.
 */
const REFUSED_FUNCTIONS: ReadonlySet<string> = new Set([
  "sleep_ms",
  "write_log",
  "levenshtein",
  "editdist3",
  "damerau_levenshtein",
]);

type Node = Readonly<Record<string, unknown>>;

/** How many characters or elements a call makes, or `undefined` when its text does not say. */
type SizeRule = (call: readonly unknown[]) => number | undefined;

const SIZE_RULES: ReadonlyMap<string, SizeRule> = new Map([
  ["repeat", argument(1)],
  ["lpad", argument(1)],
  ["rpad", argument(1)],
  ["list_resize", argument(1)],
  ["array_resize", argument(1)],
  ["bitstring", argument(1)],
  ["bar", (call) => (call.length < 4 ? 1 : argument(3)(call))],
  ["range", rangeSize],
  ["generate_series", rangeSize],
  ["format", templateSize],
  ["printf", templateSize],
]);

/** Adds up what a query weighs, node by node. */
export class QueryWeight {
  #madeSize = 1;
  #setOperations = 0;
  #joins = 0;

  /**
   * Looks at one node of the tree, not at those below it.
   *
   * @throws {ServerError} `SERVER_INVALID_QUERY` when the query is too heavy
   */
  add(node: Node): void {
    const type = node["type"];
    if (type === "SET_OPERATION_NODE" && ++this.#setOperations > MAX_SET_OPERATIONS) {
      throw invalid(`more than ${MAX_SET_OPERATIONS} of UNION, INTERSECT and EXCEPT`);
    }
    if (type === "JOIN" && ++this.#joins > MAX_JOINS) throw invalid(`more than ${MAX_JOINS} joins`);
    if (type === "FUNCTION") this.#addCall(node);
  }

  #addCall(node: Node): void {
    const name = String(node["function_name"]).toLowerCase();
    if (REFUSED_FUNCTIONS.has(name)) {
      throw invalid(`${name}() is not allowed: neither its time nor its memory has a limit`);
    }
    const rule = SIZE_RULES.get(name);
    if (rule === undefined) return;
    const { children } = node;
    const size = rule(Array.isArray(children) ? children : []);
    if (size === undefined) {
      throw invalid(`how much ${name}() makes must be written as a whole number${hintOf(name)}`);
    }
    this.#madeSize *= Math.max(1, size);
    if (this.#madeSize > MAX_MADE_SIZE) {
      throw invalid(
        `repeat(), range() and the like make more than ${MAX_MADE_SIZE} together${hintOf(name)}`,
      );
    }
  }
}

function argument(index: number): SizeRule {
  return (call) => wholeNumber(call[index]);
}

/** `range(stop)`, `range(start, stop)`, `range(start, stop, step)`. */
function rangeSize(call: readonly unknown[]): number | undefined {
  const numbers = call.map(wholeNumber);
  if (!numbers.every((number) => number !== undefined)) return undefined;
  const [first = 0, second, step = 1] = numbers;
  const distance = second === undefined ? first : second - first;
  return Math.abs(distance) / Math.max(1, Math.abs(step)) + 1;
}

/** The largest number in a template: no width is larger. Widths that are arguments are not known. */
function templateSize(call: readonly unknown[]): number | undefined {
  const template = constantOf(call[0]);
  if (typeof template !== "string" || /\{[^}]*\{|%[^a-z%]*\*/i.test(template)) return undefined;
  return Math.max(1, ...[...template.matchAll(/\d+/g)].map(([digits]) => Number(digits)));
}

function wholeNumber(node: unknown): number | undefined {
  const value = constantOf(node);
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function constantOf(node: unknown): unknown {
  if (!isNode(node) || node["type"] !== "VALUE_CONSTANT" || !isNode(node["value"]))
    return undefined;
  return node["value"]["value"];
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hintOf(name: string): string {
  return name === "range" || name === "generate_series" ? "; in FROM it has no limit" : "";
}

function invalid(reason: string): ServerError {
  return new ServerError("SERVER_INVALID_QUERY", `the query is too heavy: ${reason}`);
}
