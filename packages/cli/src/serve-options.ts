/**
 * Flags and environment variables of `walnut serve`, turned into the options of the server.
 *
 * Both are generated from the server's option table: `--flush-rows` is `WALNUT_FLUSH_ROWS` is `flushRows`.
 * A flag wins over a variable, a variable over the default; an empty variable counts as not set. This
 * only reads text; ranges are checked by the server. Pure.
 */
import {
  SERVER_OPTION_TABLE,
  ServerError,
  variableOf,
  type ServerOptionName,
  type ServerOptionSpec,
  type ServerOptions,
} from "@walnut/server";

const VARIABLE_PREFIX = "WALNUT_";
const WHOLE_NUMBER = /^\d{1,16}$/;

/**
 * Reads the options of the server.
 *
 * @param flags - text of the flags that were given, by option name
 * @throws {ServerError} `SERVER_INVALID_OPTION` when a text cannot be read as what the option is
 */
export function readServeOptions(
  flags: Readonly<Partial<Record<ServerOptionName, string>>>,
  environment: Readonly<Record<string, string | undefined>>,
): ServerOptions {
  const options: Partial<Record<ServerOptionName, string | number | boolean>> = {};
  for (const spec of SERVER_OPTION_TABLE) {
    const flag = flags[spec.name];
    const variable = environment[variableOf(spec)];
    if (flag !== undefined) {
      options[spec.name] = readValue(spec, flag, `--${spec.flag}`);
    } else if (variable !== undefined && variable !== "") {
      options[spec.name] = readValue(spec, variable, variableOf(spec));
    }
  }
  // Each value has the type its table row says; the server checks ranges and choices.
  return options as ServerOptions;
}

/** Variables that look like ours and are not: most likely misspelt, and otherwise ignored in silence. */
export function unknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const known = new Set(SERVER_OPTION_TABLE.map(variableOf));
  return Object.keys(environment)
    .filter((name) => name.startsWith(VARIABLE_PREFIX) && !known.has(name))
    .toSorted();
}

function readValue(
  spec: ServerOptionSpec,
  text: string,
  source: string,
): string | number | boolean {
  switch (spec.kind) {
    case "integer":
      if (!WHOLE_NUMBER.test(text))
        throw unreadable(spec, source, `a whole number, found "${text}"`);
      return Number(text);
    case "boolean":
      if (text !== "true" && text !== "false") {
        throw unreadable(spec, source, `true or false, found "${text}"`);
      }
      return text === "true";
    case "choice":
    case "text":
    case "secret":
      return text;
  }
}

function unreadable(spec: ServerOptionSpec, source: string, expected: string): ServerError {
  return new ServerError("SERVER_INVALID_OPTION", `${source} must be ${expected}`, {
    details: { option: spec.name, source },
  });
}
