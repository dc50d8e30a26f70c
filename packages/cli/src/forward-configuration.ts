/**
 * The configuration of `walnut forward`: the same loader and the same file as `walnut serve`, with a table of its own.
 */
import { readFile } from "node:fs/promises";
import {
  resolveConfiguration,
  SERVER_OPTION_TABLE,
  ServerError,
  unknownVariables,
  variableOf,
  type OptionValue,
} from "@walnut/server";
import {
  DEFAULT_CATEGORIES,
  type CategoryOptions,
  type ForwardAgentOptions,
  type SpoolPolicy,
} from "@walnut/spool";
import { FORWARD_OPTION_TABLE, type ForwardOptionName } from "./forward-options.ts";
import {
  CONFIGURATION_VARIABLE,
  findConfigurationFile,
  nonEmpty,
  problemsText,
} from "./serve-configuration.ts";

/** Flags as given: the file, and the text of each option's flag by the option's name. */
export interface ForwardFlags {
  readonly config: string | undefined;
  readonly options: Readonly<Partial<Record<ForwardOptionName, string>>>;
}

export interface ForwardConfiguration {
  readonly agent: ForwardAgentOptions;
  readonly warnings: readonly string[];
}

/** Values by name, defaults among them. */
export type ForwardValues = Readonly<Partial<Record<ForwardOptionName, OptionValue>>>;

/**
 * Reads file, variables and flags.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` naming every problem
 */
export async function readForwardValues(
  flags: ForwardFlags,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly values: ForwardValues; readonly warnings: readonly string[] }> {
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
  if (problems.length > 0) {
    throw new ServerError("SERVER_INVALID_OPTION", problemsText(problems), {
      details: { option: problems[0]?.key ?? "", problems: problems.length },
    });
  }
  const values = Object.fromEntries(settings.map(({ spec, value }) => [spec.name, value]));
  const others = [CONFIGURATION_VARIABLE, ...SERVER_OPTION_TABLE.map(variableOf)];
  const unknown = unknownVariables(table, variables, { prefix: "WALNUT_FORWARD_", others });
  const exposed = settings.filter(
    ({ spec, origin }) => spec.kind === "secret" && origin.kind === "file",
  );
  return {
    values,
    warnings: [
      ...unknown.map((name) => `variable ${name} is not known and has no effect`),
      ...(file?.isReadableByOthers === true
        ? exposed.map(
            ({ spec }) =>
              `${file.path} holds ${spec.toml} and can be read by other users; run: chmod 600 ${file.path}`,
          )
        : []),
    ],
  };
}

/**
 * The options of the agent.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`
 */
export async function loadForwardConfiguration(
  flags: ForwardFlags,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<ForwardConfiguration> {
  const { values, warnings } = await readForwardValues(flags, variables);
  if (values.to === undefined) {
    throw invalid(
      "forward.to",
      "has to be given: --to https://host:8000, WALNUT_FORWARD_TO, or to in [forward]",
    );
  }
  return { agent: await agentOptions(values), warnings };
}

async function agentOptions(values: ForwardValues): Promise<ForwardAgentOptions> {
  const { caFile, walPath, categories, noDropCategories, ...rest } = values;
  const { durability, maxBytesPerCategory, maxTotalBytes, guaranteedBytes } = rest;
  const { reserveFreeBytes, segmentSizeBytes, whenFull, blockTimeoutMs } = rest;
  // Each value was checked against its row, and rows are as the options of the agent want them.
  return {
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
