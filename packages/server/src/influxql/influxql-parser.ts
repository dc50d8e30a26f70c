/**
 * The part of InfluxQL that tools of InfluxDB 1.x send: SHOW statements, CREATE DATABASE, and simple SELECTs.
 *
 *     SELECT * | item, … FROM [db.[rp.]]m [WHERE condition] [ORDER BY time [ASC|DESC]] [LIMIT n] [OFFSET n]
 *
 * Everything else is refused with a word about SQL, never guessed. Pure: text in, statements out.
 */
import { ServerError } from "../errors.ts";
import { durationNs, influxTokens, type InfluxToken } from "./influxql-tokens.ts";

/** A selected column, plain or under a function. */
export interface InfluxItem {
  readonly column: string;
  readonly aggregate: InfluxAggregate | undefined;
  readonly alias: string | undefined;
}

export type InfluxAggregate = "count" | "sum" | "mean" | "min" | "max";

/** A condition on rows. Times are nanoseconds, `now` is relative to the moment of the query. */
export type InfluxCondition =
  | { readonly kind: "and" | "or"; readonly parts: readonly InfluxCondition[] }
  | {
      readonly kind: "compare";
      readonly column: string;
      readonly operator: "=" | "!=" | "<" | "<=" | ">" | ">=";
      readonly value: InfluxValue;
    };

export type InfluxValue =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "now"; readonly offsetNs: bigint }
  | { readonly kind: "duration"; readonly ns: bigint };

export interface InfluxSelect {
  readonly kind: "select";
  /** Empty for `*`. */
  readonly items: readonly InfluxItem[];
  readonly database: string | undefined;
  readonly measurement: string;
  readonly where: InfluxCondition | undefined;
  readonly isDescending: boolean;
  readonly limit: number | undefined;
  readonly offset: number | undefined;
}

/** One statement. */
export type InfluxStatement =
  | { readonly kind: "show-databases" | "create-database" }
  | {
      readonly kind:
        | "show-measurements"
        | "show-field-keys"
        | "show-tag-keys"
        | "show-retention-policies";
      /** Named by `ON`. */
      readonly database: string | undefined;
      /** Named by `FROM`. */
      readonly measurement: string | undefined;
    }
  | InfluxSelect;

const AGGREGATES: ReadonlySet<string> = new Set(["count", "sum", "mean", "min", "max"]);
const OPERATORS: Readonly<Record<string, "=" | "!=" | "<" | "<=" | ">" | ">=">> = {
  "=": "=",
  "!=": "!=",
  "<>": "!=",
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
};
const MAX_CONDITIONS = 100;

/**
 * Reads statements separated by semicolons.
 *
 * @throws {ServerError} `SERVER_INVALID_QUERY`
 */
export function parseInfluxQl(text: string): readonly InfluxStatement[] {
  return new Parser(influxTokens(text)).statements();
}

class Parser {
  readonly #tokens: readonly InfluxToken[];
  #at = 0;
  #conditions = 0;

  constructor(tokens: readonly InfluxToken[]) {
    this.#tokens = tokens;
  }

  statements(): readonly InfluxStatement[] {
    const statements: InfluxStatement[] = [];
    for (;;) {
      while (this.#sign(";"));
      if (this.#peek().kind === "end") break;
      statements.push(this.#statement());
      if (this.#peek().kind !== "end") this.#expectSign(";");
    }
    if (statements.length === 0) this.#fail("there is no statement");
    return statements;
  }

  #statement(): InfluxStatement {
    if (this.#word("select")) return this.#select();
    if (this.#word("create")) {
      this.#expectWord("database");
      this.#name();
      // Its retention clauses have no meaning here.
      while (!["end", "sign"].includes(this.#peek().kind)) this.#at++;
      return { kind: "create-database" };
    }
    if (!this.#word("show")) return this.#fail("expected SELECT, SHOW or CREATE DATABASE");
    if (this.#word("databases")) return { kind: "show-databases" };
    if (this.#word("measurements")) return this.#shown("show-measurements");
    if (this.#word("retention")) {
      this.#expectWord("policies");
      return this.#shown("show-retention-policies");
    }
    const isTag = this.#word("tag");
    if (!isTag && !this.#word("field")) return this.#fail("this SHOW is not known here");
    this.#expectWord("keys");
    return this.#shown(isTag ? "show-tag-keys" : "show-field-keys");
  }

  #shown(
    kind: "show-measurements" | "show-field-keys" | "show-tag-keys" | "show-retention-policies",
  ): InfluxStatement {
    const database = this.#word("on") ? this.#name() : undefined;
    const measurement = this.#word("from") ? this.#source().measurement : undefined;
    return { kind, database, measurement };
  }

  #select(): InfluxSelect {
    const items: InfluxItem[] = [];
    if (!this.#sign("*")) {
      do items.push(this.#item());
      while (this.#sign(","));
    }
    this.#expectWord("from");
    const source = this.#source();
    const where = this.#word("where") ? this.#or() : undefined;
    let isDescending = false;
    if (this.#word("order")) {
      this.#expectWord("by");
      this.#expectWord("time");
      isDescending = this.#word("desc");
      if (!isDescending) this.#word("asc");
    }
    const limit = this.#word("limit") ? this.#count() : undefined;
    const offset = this.#word("offset") ? this.#count() : undefined;
    return { kind: "select", items, ...source, where, isDescending, limit, offset };
  }

  #item(): InfluxItem {
    const first = this.#peek();
    const column = this.#name();
    let item: Omit<InfluxItem, "alias"> = { column, aggregate: undefined };
    if (first.kind === "word" && this.#sign("(")) {
      const aggregate = column.toLowerCase();
      if (!AGGREGATES.has(aggregate)) this.#fail(`the function ${column} is not known here`);
      item = { column: this.#name(), aggregate: aggregate as InfluxAggregate }; // Of the set.
      this.#expectSign(")");
    }
    return { ...item, alias: this.#word("as") ? this.#name() : undefined };
  }

  /** `m`, `db..m`, `db.rp.m` or `rp.m`: which policy is meant makes no difference. */
  #source(): { readonly database: string | undefined; readonly measurement: string } {
    const first = this.#name();
    if (!this.#sign(".")) return { database: undefined, measurement: first };
    if (this.#sign(".")) return { database: first, measurement: this.#name() };
    const second = this.#name();
    if (!this.#sign(".")) return { database: undefined, measurement: second };
    return { database: first, measurement: this.#name() };
  }

  #or(): InfluxCondition {
    const parts = [this.#and()];
    while (this.#word("or")) parts.push(this.#and());
    return { kind: "or", parts };
  }

  #and(): InfluxCondition {
    const parts = [this.#comparison()];
    while (this.#word("and")) parts.push(this.#comparison());
    return { kind: "and", parts };
  }

  #comparison(): InfluxCondition {
    // Also bounds the depth of parentheses.
    if (++this.#conditions > MAX_CONDITIONS) this.#fail("there are too many conditions");
    if (this.#sign("(")) {
      const inner = this.#or();
      this.#expectSign(")");
      return inner;
    }
    const column = this.#name();
    const operator = OPERATORS[this.#peek().text];
    if (this.#peek().kind !== "sign" || operator === undefined) {
      return this.#fail("expected one of = != < <= > >=");
    }
    this.#at++;
    return { kind: "compare", column, operator, value: this.#value() };
  }

  #value(): InfluxValue {
    const isNegative = this.#sign("-");
    const token = this.#peek();
    this.#at++;
    if (token.kind === "number") {
      return { kind: "number", text: isNegative ? `-${token.text}` : token.text };
    }
    if (token.kind === "duration") {
      const ns = durationNs(token.text);
      return { kind: "duration", ns: isNegative ? -ns : ns };
    }
    if (!isNegative && token.kind === "text") return { kind: "text", text: token.text };
    const word = token.kind === "word" && !isNegative ? token.text.toLowerCase() : "";
    if (word === "true" || word === "false") return { kind: "boolean", value: word === "true" };
    if (word === "now") {
      this.#expectSign("(");
      this.#expectSign(")");
      return { kind: "now", offsetNs: this.#offset() };
    }
    this.#at--;
    return this.#fail("expected a text, number, boolean, duration or now()");
  }

  #offset(): bigint {
    const isMinus = this.#sign("-");
    if (!isMinus && !this.#sign("+")) return 0n;
    const token = this.#peek();
    if (token.kind !== "duration") return this.#fail("expected a duration such as 5m");
    this.#at++;
    return isMinus ? -durationNs(token.text) : durationNs(token.text);
  }

  #count(): number {
    const token = this.#peek();
    const count = token.kind === "number" ? Number(token.text) : -1;
    if (!Number.isSafeInteger(count) || count < 0) this.#fail("expected a whole number");
    this.#at++;
    return count;
  }

  #name(): string {
    const token = this.#peek();
    if (token.kind !== "word" && token.kind !== "name") return this.#fail("expected a name");
    this.#at++;
    return token.text;
  }

  #word(word: string): boolean {
    const token = this.#peek();
    if (token.kind !== "word" || token.text.toLowerCase() !== word) return false;
    this.#at++;
    return true;
  }

  #expectWord(word: string): void {
    if (!this.#word(word)) this.#fail(`expected ${word.toUpperCase()}`);
  }

  #sign(sign: string): boolean {
    const token = this.#peek();
    if (token.kind !== "sign" || token.text !== sign) return false;
    this.#at++;
    return true;
  }

  #expectSign(sign: string): void {
    if (!this.#sign(sign)) this.#fail(`expected "${sign}"`);
  }

  #peek(): InfluxToken {
    return this.#tokens[this.#at] ?? { kind: "end", text: "", at: 0 };
  }

  #fail(reason: string): never {
    const { kind, text, at } = this.#peek();
    const found = kind === "end" ? "the end" : JSON.stringify(text.slice(0, 30));
    throw new ServerError(
      "SERVER_INVALID_QUERY",
      `InfluxQL, character ${at + 1}: ${reason}, found ${found}. Only a small part of InfluxQL is answered here; ` +
        "send SQL to POST /api/v1/query",
      { details: { position: at + 1, reason } },
    );
  }
}
