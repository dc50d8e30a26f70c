/**
 * One option as data: how it is spelt on the command line, in the environment and in walnut.toml, what it may hold,
 * what it holds when nobody says anything, and one line of meaning.
 *
 * Help texts, the loader of the configuration, the checks and docs/configuration.md are all made from rows, so they
 * cannot drift apart. Knows no option by name: other programs make tables of their own with the same rows. Pure.
 */

/** Bytes in a kibibyte, for ranges and defaults. */
export const KIB = 1_024;
/** Bytes in a mebibyte. */
export const MIB: number = 1_024 * KIB;
/** Bytes in a gibibyte. */
export const GIB: number = 1_024 * MIB;
/** Milliseconds in an hour. */
export const HOUR_MS = 3_600_000;

/** Another name for an option, that users of other systems know; `scale` turns its unit into the option's. */
export interface OptionSpelling {
  /** Key in walnut.toml, with its section. */
  readonly toml?: string;
  /** Environment variable. */
  readonly variable?: string;
  /** The option's value is the given number times this. Default 1. */
  readonly scale?: number;
}

interface RowFacts {
  /** Key in walnut.toml with its section: `flush.age_ms`. */
  readonly toml: string;
  /** Command-line flag without dashes. */
  readonly flag: string;
  /** Environment variable. Default: `WALNUT_` plus the flag in capitals. */
  readonly variable?: string;
  /** One line for `--help`, the example file and docs/configuration.md. */
  readonly summary: string;
  readonly spellings?: readonly OptionSpelling[];
  /** What is said in place of a default where `default` is left out. */
  readonly defaultText?: string;
}

/** A whole number. */
export interface IntegerRow extends RowFacts {
  readonly kind: "integer";
  /** "bytes", "ms", "rows", or "" for a plain number. */
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly default?: number;
}

/** One word of a list. */
export interface ChoiceRow extends RowFacts {
  readonly kind: "choice";
  readonly choices: readonly string[];
  readonly default?: string;
}

/** Any text that is not empty. */
export interface TextRow extends RowFacts {
  readonly kind: "text";
  readonly default?: string;
}

/** Text that is never shown: not in messages, not in log lines, not by `walnut config`. */
export interface SecretRow extends RowFacts {
  readonly kind: "secret";
  readonly default?: never;
}

/** True or false. */
export interface BooleanRow extends RowFacts {
  readonly kind: "boolean";
  readonly default?: boolean;
}

export type OptionRow = IntegerRow | ChoiceRow | TextRow | SecretRow | BooleanRow;

/** A row together with the name of its option: what tables are made of. */
export type OptionSpec<Name extends string = string> = OptionRow & { readonly name: Name };

type RowOf<Value> = Value extends number
  ? IntegerRow
  : Value extends boolean
    ? BooleanRow
    : ChoiceRow | TextRow | SecretRow;

/** A row for each option of an interface; the compiler says which is missing or of the wrong kind. */
export type RowsOf<Options> = {
  readonly [Name in keyof Options]-?: RowOf<Exclude<Options[Name], undefined>>;
};

/** The environment variable of an option. */
export function variableOf(row: Pick<RowFacts, "flag" | "variable">): string {
  return row.variable ?? `WALNUT_${row.flag.replaceAll("-", "_").toUpperCase()}`;
}
