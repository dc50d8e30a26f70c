/**
 * The configuration of a program: every option of a table, with its value and where the value came from.
 *
 * A flag wins over an environment variable, a variable over the file, the file over the default. Every key that is
 * wrong or unknown is found in one pass, so that a person repairs a file once. Which options there are is said by the
 * table that is handed in: each program has its own. Pure.
 */
import { variableOf, type OptionSpec } from "../options/option-row.ts";
import { nearNames } from "../store/near-names.ts";
import type { ConfigurationFile } from "./configuration-file.ts";
import { readFileValue, readTextValue, type ReadValue } from "./option-reading.ts";

/** A value that an option can have. */
export type OptionValue = string | number | boolean;

/** Where a value came from. */
export type SettingOrigin =
  | { readonly kind: "default" }
  | { readonly kind: "file"; readonly path: string; readonly line: number | undefined }
  | { readonly kind: "environment"; readonly variable: string }
  | { readonly kind: "flag"; readonly flag: string };

/** One option with its value. */
export interface Setting<Name extends string = string> {
  readonly spec: OptionSpec<Name>;
  /** `undefined`: not set, and without a default. */
  readonly value: OptionValue | undefined;
  readonly origin: SettingOrigin;
}

/** Something that keeps the program from starting. */
export interface ConfigurationProblem {
  /** File and line, variable or flag: "walnut.toml:12", "WALNUT_PORT", "--port". */
  readonly place: string;
  /** The key as TOML spells it. */
  readonly key: string;
  /** What is wrong and what would be right. Never the value of a secret. */
  readonly message: string;
}

/** What a configuration is made of. */
export interface ConfigurationSources<Name extends string> {
  readonly table: readonly OptionSpec<Name>[];
  readonly file: ConfigurationFile | undefined;
  /** The environment; a variable that is empty counts as not set. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Keys that other programs have in the same file: they are no mistake, and none of ours. */
  readonly otherTable?: readonly OptionSpec[];
  /** Text of the flags that were given, by option name. */
  readonly flags: Readonly<Partial<Record<Name, string>>>;
}

/** Every option, and everything that is wrong. */
export interface Configuration<Name extends string = string> {
  readonly settings: readonly Setting<Name>[];
  readonly problems: readonly ConfigurationProblem[];
}

/** One place that sets an option. */
interface Candidate {
  readonly origin: SettingOrigin;
  /** The key as it is spelt there, or the option's where it has none. */
  readonly key: string;
  readonly read: ReadValue;
}

/** Puts a configuration together. */
export function resolveConfiguration<Name extends string>(
  sources: ConfigurationSources<Name>,
): Configuration<Name> {
  const problems: ConfigurationProblem[] = [];
  const settings = sources.table.map((spec): Setting<Name> => {
    const layers = [
      flagCandidates(spec, sources),
      variableCandidates(spec, sources),
      fileCandidates(spec, sources),
    ];
    for (const layer of layers) problems.push(...layerProblems(layer));
    const [winner] = layers.flat();
    if (winner === undefined) return { spec, value: spec.default, origin: { kind: "default" } };
    return { spec, value: winner.read.value, origin: winner.origin };
  });
  problems.push(...unknownKeys(sources));
  return { settings, problems: problems.toSorted(byPlace) };
}

/** The values of a configuration that were set, by option name. Defaults are left to the program. */
export function givenValues<Name extends string>(
  settings: readonly Setting<Name>[],
): Readonly<Partial<Record<Name, OptionValue>>> {
  const values: Partial<Record<Name, OptionValue>> = {};
  for (const { spec, value, origin } of settings) {
    if (origin.kind !== "default" && value !== undefined) values[spec.name] = value;
  }
  return values;
}

/** Where a value came from, in a word or two: "walnut.toml:12", "WALNUT_PORT", "--port", "default". */
export function originText(origin: SettingOrigin): string {
  switch (origin.kind) {
    case "default":
      return "default";
    case "file":
      return origin.line === undefined ? origin.path : `${origin.path}:${origin.line}`;
    case "environment":
      return origin.variable;
    case "flag":
      return `--${origin.flag}`;
  }
}

/** Variables that look like the program's own and are not: most likely misspelt. */
export function unknownVariables(
  table: readonly OptionSpec[],
  variables: Readonly<Record<string, string | undefined>>,
  options: { readonly prefix: string; readonly others: readonly string[] },
): readonly string[] {
  const known = new Set([...table.map(variableOf), ...options.others]);
  return Object.keys(variables)
    .filter((name) => name.startsWith(options.prefix) && !known.has(name))
    .toSorted();
}

function flagCandidates<Name extends string>(
  spec: OptionSpec<Name>,
  { flags }: ConfigurationSources<Name>,
): readonly Candidate[] {
  const text = flags[spec.name];
  if (text === undefined) return [];
  const origin: SettingOrigin = { kind: "flag", flag: spec.flag };
  return [{ origin, key: spec.toml, read: readTextValue(spec, text) }];
}

function variableCandidates<Name extends string>(
  spec: OptionSpec<Name>,
  { variables }: ConfigurationSources<Name>,
): readonly Candidate[] {
  const names = [{ variable: variableOf(spec), scale: 1 }, ...(spec.spellings ?? [])];
  return names.flatMap(({ variable, scale }): Candidate[] => {
    const text = variable === undefined ? undefined : variables[variable];
    if (variable === undefined || text === undefined || text === "") return [];
    const origin: SettingOrigin = { kind: "environment", variable };
    return [{ origin, key: spec.toml, read: readTextValue(spec, text, scale) }];
  });
}

function fileCandidates<Name extends string>(
  spec: OptionSpec<Name>,
  { file }: ConfigurationSources<Name>,
): readonly Candidate[] {
  if (file === undefined) return [];
  const keys = [{ toml: spec.toml, scale: 1 }, ...(spec.spellings ?? [])];
  return keys.flatMap(({ toml, scale }): Candidate[] => {
    const entry = file.entries.find(({ key }) => key === toml);
    if (entry === undefined) return [];
    const origin: SettingOrigin = { kind: "file", path: file.path, line: entry.line };
    return [{ origin, key: entry.key, read: readFileValue(spec, entry.value, scale) }];
  });
}

/** Wrong values, and one option set by two spellings in one place: nobody can know which is meant. */
function layerProblems(layer: readonly Candidate[]): ConfigurationProblem[] {
  const [first, second] = layer;
  const problems = layer.flatMap(({ origin, key, read }): ConfigurationProblem[] =>
    read.problem === undefined ? [] : [{ place: originText(origin), key, message: read.problem }],
  );
  if (first === undefined || second === undefined) return problems;
  const message = `is the same option as ${originText(first.origin)}: give one of them`;
  return [...problems, { place: originText(second.origin), key: second.key, message }];
}

function unknownKeys<Name extends string>(
  sources: ConfigurationSources<Name>,
): ConfigurationProblem[] {
  const { file, otherTable = [] } = sources;
  if (file === undefined) return [];
  const table: readonly OptionSpec[] = [...sources.table, ...otherTable];
  const secrets = new Set(table.filter(({ kind }) => kind === "secret").map(({ toml }) => toml));
  const known = new Set(
    table.flatMap(({ toml, spellings = [] }) => [
      toml,
      ...spellings.flatMap((spelling) => spelling.toml ?? []),
    ]),
  );
  const sections = new Set([...known].flatMap(sectionsOf));
  return file.entries
    .filter(({ key, value }) => !known.has(key) && !(value === undefined && sections.has(key)))
    .map(({ key, value, line }) => ({
      place: originText({ kind: "file", path: file.path, line }),
      key,
      message: unknownText({ key, value, known, sections, secrets }),
    }));
}

/** The sections above a key: `a.b.c` is in `a` and `a.b`. */
function sectionsOf(key: string): string[] {
  const parts = key.split(".").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("."));
}

function unknownText(facts: {
  readonly key: string;
  readonly value: unknown;
  readonly known: ReadonlySet<string>;
  readonly sections: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
}): string {
  const { key, value, known, sections } = facts;
  if (sections.has(key)) return `is a section: write [${key}] and its keys below`;
  if (value === undefined) {
    const [near] = nearNames(key, sections);
    const hint = near ?? [...sections].toSorted().join(", ");
    return `is a section that is not known; ${near === undefined ? "there are" : "nearest"}: ${hint}`;
  }
  const near = nearestKeys(key, known);
  const [nearest] = near;
  const isSecret = near.some((name) => facts.secrets.has(name)) || LOOKS_SECRET.test(key);
  const found = isSecret ? "" : ` (found ${shownValue(value)})`;
  if (nearest !== undefined) return `is not known${found}; nearest: ${nearest}`;
  const section = sectionsOf(key).at(-1) ?? "";
  const inside = [...known].filter((name) => name.startsWith(`${section}.`));
  return section !== "" && inside.length > 0
    ? `is not known${found}; [${section}] has: ${inside.map((name) => name.slice(section.length + 1)).join(", ")}`
    : `is not known${found}; sections: ${[...sections].toSorted().join(", ")}`;
}

/** A name of something that is not to be seen, although no option is called so. */
const LOOKS_SECRET = /token|secret|password|passwd|credential|private/i;

/** Known keys like this one: with the same ending in another section first, then those that are spelt nearly so. */
function nearestKeys(key: string, known: ReadonlySet<string>): readonly string[] {
  const last = key.slice(key.lastIndexOf(".") + 1);
  const moved = [...known].filter((name) => name.endsWith(`.${last}`));
  return moved.length > 0 ? moved : nearNames(key, known);
}

const LONGEST_SHOWN = 60;

function shownValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/** By file and line, as a person goes through them; numbers by their size. */
function byPlace(a: ConfigurationProblem, b: ConfigurationProblem): number {
  return a.place.localeCompare(b.place, "en", { numeric: true });
}
