/**
 * The grammar of `walnut serve` and `walnut config`: one flag for each option of the server. Parsing only.
 *
 * Loading this loads the server, so it is done for these commands only.
 */
import {
  sectionOf,
  SERVER_OPTION_TABLE,
  variableOf,
  type OptionSpec,
  type ServerOptionName,
} from "@walnut/server";
import { Option, type Command } from "commander";
import type { ConfigFlags } from "./config-command.ts";
import type { ServeFlags } from "./serve-configuration.ts";

const SERVE_EXAMPLES = `
Every flag has a variable and a key in walnut.toml: --flush-rows is WALNUT_FLUSH_ROWS
is rows in [flush]. A flag wins over a variable, a variable over the file.
Prefer WALNUT_TOKEN to --token: other users can see the flags of a process.

Examples:
  walnut serve
  walnut serve --config /etc/walnut/walnut.toml
  WALNUT_TOKEN=... walnut serve --host 0.0.0.0
  walnut serve --durability interval --sync-interval-ms 200

What applies, and why: walnut config.
SIGTERM and SIGINT stop cleanly: requests in flight are answered, rows are flushed, exit 0.
`;

const CONFIG_EXAMPLES = `
Takes the flags of walnut serve as well, to see what they would change.

Examples:
  walnut config
  walnut config --check                  exit code 2: walnut serve would not start
  walnut config --json | jq -r '.settings[] | select(.origin.kind != "default") | .key'
  walnut config --example > walnut.toml
`;

/** Fills in the flags of `walnut serve` and what it does. */
export function defineServe(serve: Command, action: (flags: ServeFlags) => Promise<void>): void {
  serve.addHelpText("after", SERVE_EXAMPLES);
  addServeFlags(serve);
  serve.action(async () => {
    await action(flagsOf(serve));
  });
}

/** Fills in the flags of `walnut config` and what it does. */
export function defineConfig(
  config: Command,
  action: (flags: ServeFlags, own: ConfigFlags) => Promise<void>,
): void {
  config
    .addHelpText("after", CONFIG_EXAMPLES)
    .option("--check", "print only what is wrong")
    .option("--example", "print a walnut.toml with every key, its meaning and its default")
    .option("--json", "print JSON");
  addServeFlags(config);
  config.action(async () => {
    const { check, example, json } = config.opts<Partial<ConfigFlags>>();
    await action(flagsOf(config), {
      check: check === true,
      example: example === true,
      json: json === true,
    });
  });
}

function addServeFlags(command: Command): void {
  const file = "configuration file (default ./walnut.toml if it is there; env WALNUT_CONFIG)";
  command.option("--config <file>", file);
  for (const spec of SERVER_OPTION_TABLE) command.addOption(optionOf(spec));
}

/** Choices are for help and completion: they are checked with everything else, so that all problems are told at once. */
export function optionOf(spec: OptionSpec): Option {
  const option = new Option(`--${spec.flag} ${placeholderOf(spec)}`, descriptionOf(spec));
  option.helpGroup(`[${sectionOf(spec)}]`);
  if (spec.kind === "choice") option.argChoices = [...spec.choices];
  if (spec.kind === "boolean") option.argChoices = ["true", "false"];
  return option;
}

function placeholderOf(spec: OptionSpec): string {
  switch (spec.kind) {
    case "integer":
      return "<number>";
    case "choice":
      return "<word>";
    case "boolean":
      return "<bool>";
    case "text":
    case "secret":
      return "<text>";
  }
}

function descriptionOf(spec: OptionSpec): string {
  const parts: string[] = [];
  if (spec.kind === "integer" && spec.unit !== "") parts.push(spec.unit);
  parts.push(`default ${spec.defaultText?.replaceAll("`", "") ?? String(spec.default)}`);
  parts.push(`env ${variableOf(spec)}`);
  return `${spec.summary} (${parts.join("; ")})`;
}

/** Flags as given, by the option's name: commander keeps them under the camel-cased flag. */
function flagsOf(command: Command): ServeFlags {
  const values: Readonly<Record<string, unknown>> = command.opts();
  const options: Partial<Record<ServerOptionName, string>> = {};
  for (const spec of SERVER_OPTION_TABLE) {
    const value = values[optionOf(spec).attributeName()];
    if (typeof value === "string") options[spec.name] = value;
  }
  const { config } = values;
  return { config: typeof config === "string" ? config : undefined, options };
}
