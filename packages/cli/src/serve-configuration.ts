/**
 * The configuration of `walnut serve`: its file found, its sources put together, its problems as one failure.
 *
 * The loader in `@walnut/server` knows no option by name; here are the rules that concern the server's own: which file,
 * which variables are ours, and what contradicts what.
 */
import {
  checkTlsFiles,
  givenValues,
  originText,
  readConfigurationFile,
  resolveConfiguration,
  resolveServerOptions,
  SERVER_OPTION_TABLE,
  ServerError,
  unknownVariables,
  variableOf,
  type ConfigurationFile,
  type ConfigurationProblem,
  type ServerOptionName,
  type ServerOptions,
  type Setting,
} from "@walnut/server";
import { FORWARD_OPTION_TABLE } from "./forward-options.ts";

/** Name of the file that is read where it stands in the working directory. */
export const CONFIGURATION_FILE_NAME = "walnut.toml";
/** Variable that names another file. */
export const CONFIGURATION_VARIABLE = "WALNUT_CONFIG";

const VARIABLE_PREFIX = "WALNUT_";

/** Flags as given: the file, and the text of each option's flag by the option's name. */
export interface ServeFlags {
  readonly config: string | undefined;
  readonly options: Readonly<Partial<Record<ServerOptionName, string>>>;
}

/** Everything that `walnut serve` was told, right or wrong. */
export interface ServeConfiguration {
  /** The file that was read. */
  readonly path: string | undefined;
  readonly settings: readonly Setting<ServerOptionName>[];
  readonly problems: readonly ConfigurationProblem[];
  /** What does not keep the server from starting, and yet is not meant so. */
  readonly warnings: readonly string[];
}

/**
 * Reads and puts together the configuration.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` when the file cannot be read or is no TOML
 */
export async function loadServeConfiguration(
  flags: ServeFlags,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<ServeConfiguration> {
  const file = await findConfigurationFile(
    flags.config ?? nonEmpty(variables[CONFIGURATION_VARIABLE]),
  );
  const table = SERVER_OPTION_TABLE;
  const { settings: told, problems } = resolveConfiguration({
    table,
    file,
    variables,
    flags: flags.options,
    otherTable: FORWARD_OPTION_TABLE,
  });
  const settings = withSharedAgent(told, file);
  const others = [CONFIGURATION_VARIABLE, ...FORWARD_OPTION_TABLE.map(variableOf)];
  const unknown = unknownVariables(table, variables, { prefix: VARIABLE_PREFIX, others });
  return {
    path: file?.path,
    settings,
    problems: problems.length > 0 ? problems : await contradictions(settings),
    warnings: [
      ...unknown.map((name) => `variable ${name} is not known and has no effect`),
      ...exposedSecrets(file, settings),
      ...missingLog(settings),
    ],
  };
}

/**
 * The options of the server.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` naming every problem
 */
export function serverOptionsOf(configuration: ServeConfiguration): ServerOptions {
  const { problems } = configuration;
  if (problems.length === 0) return valuesOf(configuration.settings);
  throw new ServerError("SERVER_INVALID_OPTION", problemsText(problems), {
    details: { option: problems[0]?.key ?? "", problems: problems.length },
  });
}

/** Each problem on a line of its own, with its place. */
export function problemsText(problems: readonly ConfigurationProblem[]): string {
  const lines = problems.map(({ place, key, message }) => `${place}: ${key} ${message}`);
  const [only] = lines;
  if (lines.length === 1 && only !== undefined) return only;
  return [`${lines.length} settings are wrong:`, ...lines].join("\n  ");
}

/** Reads the file that was named, or the one in the working directory if there is one. */
export async function findConfigurationFile(
  named: string | undefined,
): Promise<ConfigurationFile | undefined> {
  return named === undefined
    ? await readConfigurationFile(CONFIGURATION_FILE_NAME, { isOptional: true })
    : await readConfigurationFile(named, { isOptional: false });
}

/** Text, if there is any. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

function valuesOf(settings: readonly Setting<ServerOptionName>[]): ServerOptions {
  // Each value was checked against its row, and rows are as their options' types say.
  return givenValues(settings) as ServerOptions;
}

/** What each option allows, and together makes no sense, or names files that cannot be used. */
async function contradictions(
  settings: readonly Setting<ServerOptionName>[],
): Promise<readonly ConfigurationProblem[]> {
  const aboutLog = logContradiction(settings);
  if (aboutLog !== undefined) return [aboutLog];
  try {
    await checkTlsFiles(resolveServerOptions(valuesOf(settings)));
    return [];
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    const setting = settings.find(({ spec }) => spec.name === error.details["option"]);
    if (setting === undefined) throw error;
    const message = withKeys(error.message).replace(`${setting.spec.toml} `, "");
    return [{ place: originText(setting.origin), key: setting.spec.toml, message }];
  }
}

/**
 * `wal.enabled` and the level say the same thing twice. In one place "not enabled" wins, as users of such files expect.
 * From two places it is not known which one was meant, and a guess could run without a log.
 */
function logContradiction(
  settings: readonly Setting<ServerOptionName>[],
): ConfigurationProblem | undefined {
  const enabled = settings.find(({ spec }) => spec.name === "walEnabled");
  const level = settings.find(({ spec }) => spec.name === "durability");
  if (enabled === undefined || level === undefined) return undefined;
  if (enabled.origin.kind === "default" || level.origin.kind === "default") return undefined;
  if ((level.value !== "off") === enabled.value) return undefined;
  const isOnePlace = enabled.origin.kind === level.origin.kind;
  if (isOnePlace && enabled.value === false) return undefined;
  return {
    place: originText(level.origin),
    key: level.spec.toml,
    message:
      `"${String(level.value)}" contradicts ${enabled.spec.toml} = ${String(enabled.value)} ` +
      `(${originText(enabled.origin)}): change one of them`,
  };
}

/** A message with the keys of walnut.toml where the program's own names were. Paths stay as they are. */
function withKeys(message: string): string {
  const keys = new Map<string, string>(SERVER_OPTION_TABLE.map(({ name, toml }) => [name, toml]));
  return message.replace(
    /(?<![\w/.-])[a-z]+[A-Z]\w*(?![\w/.-])/g,
    (word) => keys.get(word) ?? word,
  );
}

/** An agent that is configured in the same file listens where it does by itself, unless somebody says where. */
function withSharedAgent(
  settings: readonly Setting<ServerOptionName>[],
  file: ConfigurationFile | undefined,
): readonly Setting<ServerOptionName>[] {
  const entry = file?.entries.find(
    ({ key, value }) => key.startsWith("forward.") && value !== undefined,
  );
  if (file === undefined || entry === undefined) return settings;
  const value = FORWARD_OPTION_TABLE.find(({ name }) => name === "listen")?.default;
  return settings.map((setting) =>
    setting.spec.name === "forwardListen" && setting.origin.kind === "default"
      ? { ...setting, value, origin: { kind: "file", path: file.path, line: entry.line } }
      : setting,
  );
}

/** A warning for each secret in a file that others can read. */
export function exposedSecrets(
  file: ConfigurationFile | undefined,
  settings: readonly Setting[],
): readonly string[] {
  if (file === undefined || !file.isReadableByOthers) return [];
  return settings
    .filter(({ spec, origin }) => spec.kind === "secret" && origin.kind === "file")
    .map(
      ({ spec }) =>
        `${file.path} holds ${spec.toml} and can be read by other users; run: chmod 600 ${file.path}`,
    );
}

/** Said every time: who copies a configuration for tests should not find out from a crash. */
function missingLog(settings: readonly Setting[]): readonly string[] {
  const isKept = settings.every(
    ({ spec, value }) =>
      (spec.name !== "walEnabled" || value !== false) &&
      (spec.name !== "durability" || value !== "off"),
  );
  return isKept ? [] : ["no log is kept (level off): a crash loses what is not in Parquet yet"];
}
