/**
 * The configuration of `walnut forward`: the same loader and the same file as `walnut serve`, with a table of its own.
 */
import { readFile } from "node:fs/promises";
import {
  originText,
  resolveConfiguration,
  SERVER_OPTION_TABLE,
  ServerError,
  unknownVariables,
  variableOf,
  type ConfigurationProblem,
  type OptionValue,
  type Setting,
} from "@walnut/server";
import {
  checkForwardAgentOptions,
  DEFAULT_CATEGORIES,
  isSpoolError,
  type CategoryOptions,
  type ForwardAgentOptions,
  type SpoolPolicy,
} from "@walnut/spool";
import { FORWARD_OPTION_TABLE, type ForwardOptionName } from "./forward-options.ts";
import {
  CONFIGURATION_VARIABLE,
  exposedSecrets,
  findConfigurationFile,
  nonEmpty,
  problemsText,
} from "./serve-configuration.ts";

/** Flags as given: the file, and the text of each option's flag by the option's name. */
export interface ForwardFlags {
  readonly config: string | undefined;
  readonly options: Readonly<Partial<Record<ForwardOptionName, string>>>;
}

/** Everything that `walnut forward` was told, right or wrong. */
export interface ForwardSettings {
  /** The file that was read. */
  readonly path: string | undefined;
  readonly settings: readonly Setting<ForwardOptionName>[];
  readonly problems: readonly ConfigurationProblem[];
  /** What does not keep the agent from starting, and yet is not meant so. */
  readonly warnings: readonly string[];
  /** The options of the agent; `undefined` when there are problems. */
  readonly agent: ForwardAgentOptions | undefined;
}

export interface ForwardConfiguration {
  readonly agent: ForwardAgentOptions;
  readonly warnings: readonly string[];
}

/** Values by name, defaults among them. */
type ForwardValues = Readonly<Partial<Record<ForwardOptionName, OptionValue>>>;

/**
 * Reads file, variables and flags, and finds what is wrong.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` when the file cannot be read or is no TOML
 */
export async function loadForwardSettings(
  flags: ForwardFlags,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<ForwardSettings> {
  const file = await findConfigurationFile(
    flags.config ?? nonEmpty(variables[CONFIGURATION_VARIABLE]),
  );
  const table = FORWARD_OPTION_TABLE;
  const { settings, problems } = resolveConfiguration({
    table,
    file,
    variables,
    flags: flags.options,
    otherTable: SERVER_OPTION_TABLE,
  });
  const others = [CONFIGURATION_VARIABLE, ...SERVER_OPTION_TABLE.map(variableOf)];
  const unknown = unknownVariables(table, variables, { prefix: "WALNUT_FORWARD_", others });
  const warnings = [
    ...unknown.map((name) => `variable ${name} is not known and has no effect`),
    ...exposedSecrets(file, settings),
  ];
  const path = file?.path;
  if (problems.length > 0) return { path, settings, problems, warnings, agent: undefined };
  try {
    const agent = await agentOptions(settings);
    return { path, settings, problems, warnings, agent };
  } catch (error) {
    const problem = problemOf(error, settings);
    return { path, settings, problems: [problem], warnings, agent: undefined };
  }
}

/**
 * The options of the agent.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` naming every problem
 */
export async function loadForwardConfiguration(
  flags: ForwardFlags,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<ForwardConfiguration> {
  const { agent, problems, warnings } = await loadForwardSettings(flags, variables);
  if (agent !== undefined) return { agent, warnings };
  throw new ServerError("SERVER_INVALID_OPTION", problemsText(problems), {
    details: { option: problems[0]?.key ?? "", problems: problems.length },
  });
}

/** What each option allows, and the agent does not: with the place of the option, and its key. */
function problemOf(error: unknown, settings: readonly Setting[]): ConfigurationProblem {
  const isKnown = isSpoolError(error, "SPOOL_INVALID_OPTION") || error instanceof ServerError;
  if (!isKnown) throw error;
  const { option = "" } = error.details;
  // The agent names its own options, and of which category: "guaranteedBytes of logging".
  const [name = ""] = String(option).split(" of ");
  const setting =
    settings.find(({ spec }) => spec.toml === option || spec.name === name) ??
    settings.find(({ spec }) => spec.name.startsWith(name));
  const { origin = { kind: "default" } as const, spec } = setting ?? {};
  const key = spec?.toml ?? "forward";
  const place = origin.kind === "default" ? "walnut forward" : originText(origin);
  const message = error.message.replace(`option ${option} `, "").replace(`${key} `, "");
  return { place, key, message };
}

async function agentOptions(settings: readonly Setting[]): Promise<ForwardAgentOptions> {
  const values: ForwardValues = Object.fromEntries(
    settings.map(({ spec, value }) => [spec.name, value]),
  );
  if (values.to === undefined) {
    throw invalid(
      "forward.to",
      "has to be given: --to https://host:8000, WALNUT_FORWARD_TO, or to in [forward]",
    );
  }
  const { caFile, walPath, categories, noDropCategories, ...rest } = values;
  const { durability, maxBytesPerCategory, maxTotalBytes, guaranteedBytes } = rest;
  const { reserveFreeBytes, segmentSizeBytes, whenFull, blockTimeoutMs } = rest;
  // Each value was checked against its row, and rows are as the options of the agent want them.
  const options = {
    ...rest,
    spool: {
      durability,
      maxBytesPerCategory,
      maxTotalBytes,
      guaranteedBytes,
      reserveFreeBytes,
      segmentSizeBytes,
      whenFull,
      blockTimeoutMs,
      directory: walPath,
      categories: categoryOptions(listOf(categories), listOf(noDropCategories)),
    },
    ...(caFile !== undefined && { ca: await certificates(String(caFile)) }),
  } as ForwardAgentOptions;
  checkForwardAgentOptions(options);
  return options;
}

function categoryOptions(
  names: readonly string[],
  noDrop: readonly string[],
): readonly CategoryOptions[] {
  const all = names.length > 0 ? names : DEFAULT_CATEGORIES;
  const unknown = noDrop.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw invalid(
      "forward.wal.no_drop_categories",
      `names "${unknown}"; there are: ${all.join(", ")}`,
    );
  }
  const never: { readonly whenFull: SpoolPolicy } = { whenFull: "never-drop" };
  return all.map((name) => ({ name, ...(noDrop.includes(name) && never) }));
}

function listOf(value: OptionValue | undefined): readonly string[] {
  return String(value ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

async function certificates(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw invalid("forward.ca_file", `${path} cannot be read`, error);
  }
}

function invalid(option: string, problem: string, cause?: unknown): ServerError {
  return new ServerError("SERVER_INVALID_OPTION", `${option} ${problem}`, {
    details: { option },
    cause,
  });
}
