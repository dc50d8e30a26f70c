/**
 * The grammar of `walnut serve`: one flag for each option of the server. Parsing only.
 *
 * Loading this loads the server, so it is done for this command only.
 */
import {
  SERVER_OPTION_TABLE,
  variableOf,
  type ServerOptionName,
  type ServerOptionSpec,
} from "@walnut/server";
import { Option, type Command } from "commander";

/** Flags as given, by the option's name. */
export type ServeFlags = Readonly<Partial<Record<ServerOptionName, string>>>;

const SERVE_EXAMPLES = `
Every flag has a variable: --flush-rows is WALNUT_FLUSH_ROWS. A flag wins over a variable.
Prefer WALNUT_TOKEN to --token: other users can see the flags of a process.

Examples:
  walnut serve
  WALNUT_TOKEN=... walnut serve --host 0.0.0.0
  walnut serve --durability interval --sync-interval-ms 200

SIGTERM and SIGINT stop cleanly: requests in flight are answered, rows are flushed, exit 0.
`;

/** Fills in the command's flags and what it does. */
export function defineServe(serve: Command, action: (flags: ServeFlags) => Promise<void>): void {
  serve.addHelpText("after", SERVE_EXAMPLES);
  for (const spec of SERVER_OPTION_TABLE) serve.addOption(optionOf(spec));
  serve.action(async () => {
    await action(flagsOf(serve));
  });
}

function optionOf(spec: ServerOptionSpec): Option {
  return new Option(`--${spec.flag} ${placeholderOf(spec)}`, descriptionOf(spec));
}

function placeholderOf(spec: ServerOptionSpec): string {
  switch (spec.kind) {
    case "integer":
      return "<number>";
    case "choice":
      return "<level>";
    case "boolean":
      return "<true|false>";
    case "text":
    case "secret":
      return "<text>";
  }
}

function descriptionOf(spec: ServerOptionSpec): string {
  const parts: string[] = [];
  if (spec.kind === "choice") parts.push(spec.choices.join(", "));
  if (spec.kind === "integer" && spec.unit !== "") parts.push(spec.unit);
  parts.push(`default ${spec.defaultText ?? String(spec.default)}`);
  parts.push(`env ${variableOf(spec)}`);
  return `${spec.summary} (${parts.join("; ")})`;
}

/** Flags as given, by the option's name: commander keeps them under the camel-cased flag. */
function flagsOf(serve: Command): Partial<Record<ServerOptionName, string>> {
  const values: Readonly<Record<string, unknown>> = serve.opts();
  const flags: Partial<Record<ServerOptionName, string>> = {};
  for (const spec of SERVER_OPTION_TABLE) {
    const value = values[optionOf(spec).attributeName()];
    if (typeof value === "string") flags[spec.name] = value;
  }
  return flags;
}
