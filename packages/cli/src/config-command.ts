/**
 * `walnut config`: the configuration that `walnut serve` would run with, and where each value comes from. How a configuration is shown is
 * the same for `walnut forward config`.
 *
 * Reads and prints; starts nothing, makes no directory. Secrets are never shown.
 */
import {
  configurationExample,
  originText,
  SERVER_OPTION_TABLE,
  type ConfigurationProblem,
  type Setting,
} from "@walnut/server";
import type { CommandContext } from "./command-context.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { loadForwardSettings } from "./forward-configuration.ts";
import { loadServeConfiguration, problemsText, type ServeFlags } from "./serve-configuration.ts";
import type { Terminal } from "./terminal.ts";
import { fit, tableLines, type TableCell, type TableColumn } from "./text-table.ts";

/** What the command was asked for. */
export interface ConfigFlags {
  /** Print nothing but what is wrong. */
  readonly check: boolean;
  /** Print an example file instead. */
  readonly example: boolean;
  readonly json: boolean;
}

/** Everything that a program was told, right or wrong. */
export interface ShownConfiguration {
  /** The file that was read. */
  readonly path: string | undefined;
  readonly settings: readonly Setting[];
  readonly problems: readonly ConfigurationProblem[];
  readonly warnings: readonly string[];
}

/** Comment at the top of the example file. */
const EXAMPLE_HEADING = `walnut.toml: every option of \`walnut serve\`, with its default.

walnut serve reads the file named by --config or WALNUT_CONFIG, otherwise ./walnut.toml if it is there.
A flag wins over an environment variable, a variable over this file, this file over the default.
Relative paths start at the working directory. Unknown keys and wrong values stop the start.
See what applies, and why: walnut config. Made by: walnut config --example

The sections [forward] and [forward.wal] of walnut forward may stand in this file as well: walnut forward config --example`;

const GAP_WIDTH = 2;
const MIN_VALUE_WIDTH = 12;

const COLUMNS: readonly TableColumn[] = [
  { title: "key", align: "left" },
  { title: "value", align: "left" },
  { title: "from", align: "left" },
];

/**
 * What `walnut serve` would run with; and, of the sections that `walnut forward` has in the same file, what is set there or by its variables.
 *
 * @returns the exit code: 0, or that of wrong usage when the server would not start
 */
export async function configCommand(
  flags: ServeFlags,
  own: ConfigFlags,
  context: CommandContext,
): Promise<number> {
  if (own.example) return await printExample(exampleConfiguration(), context);
  const { variables } = context.environment;
  const serve = await loadServeConfiguration(flags, variables);
  const forward = await loadForwardSettings({ config: flags.config, options: {} }, variables);
  const shown = new Set<string>(serve.settings.map(({ spec }) => spec.toml));
  const given = forward.settings.filter(
    ({ spec, origin }) => origin.kind !== "default" && !shown.has(spec.toml),
  );
  return await showConfiguration({ ...serve, settings: [...serve.settings, ...given] }, own, {
    context,
    exampleCommand: "walnut config --example",
  });
}

/** Prints an example file. @returns the exit code */
export async function printExample(example: string, { output }: CommandContext): Promise<number> {
  output.line(example.trimEnd());
  await output.flush();
  return EXIT_OK;
}

/** Prints a configuration and what is wrong with it. @returns the exit code */
export async function showConfiguration(
  configuration: ShownConfiguration,
  { check, json }: ConfigFlags,
  {
    context,
    exampleCommand,
  }: { readonly context: CommandContext; readonly exampleCommand: string },
): Promise<number> {
  const { output, terminal, note } = context;
  const { problems, settings, path, warnings } = configuration;
  for (const warning of warnings) note(`walnut: ${warning}`);
  if (problems.length > 0) note(`walnut: ${problemsText(problems)}`);
  if (json) output.json(jsonOf(configuration), terminal.isTerminal);
  if (problems.length === 0 && !check && !json) {
    output.line(path ?? `no walnut.toml here; see: ${exampleCommand}`, "");
    output.line(...settingLines(settings, terminal));
  }
  await output.flush();
  return problems.length === 0 ? EXIT_OK : EXIT_USAGE;
}

/** The example file: deploy/walnut.toml is this text. */
export function exampleConfiguration(): string {
  return configurationExample(SERVER_OPTION_TABLE, EXAMPLE_HEADING);
}

/** A table in which long values are cut, so that every line says where its value is from. */
function settingLines(settings: readonly Setting[], terminal: Terminal): string[] {
  const keyWidth = Math.max(...settings.map(({ spec }) => spec.toml.length));
  const fromWidth = Math.max(...settings.map(({ origin }) => originText(origin).length));
  const room = terminal.columns - keyWidth - fromWidth - 2 * GAP_WIDTH;
  const valueWidth = terminal.isTerminal ? Math.max(MIN_VALUE_WIDTH, room) : Infinity;
  return tableLines(
    COLUMNS,
    settings.map((setting) => rowOf(setting, fit(valueText(setting), valueWidth, terminal))),
    terminal,
  );
}

function rowOf({ spec, origin }: Setting, value: string): readonly TableCell[] {
  const from = originText(origin);
  return origin.kind === "default"
    ? [spec.toml, { text: value, style: "dim" }, { text: from, style: "dim" }]
    : [spec.toml, value, { text: from, style: "cyan" }];
}

function valueText({ spec, value }: Setting): string {
  if (value === undefined) return `(${(spec.defaultText ?? "not set").replaceAll("`", "")})`;
  if (spec.kind === "secret") return "(hidden)";
  if (typeof value !== "number" || spec.kind !== "integer" || spec.unit === "")
    return String(value);
  return `${value.toLocaleString("en-US")} ${spec.unit}`;
}

function jsonOf({ path, settings, problems, warnings }: ShownConfiguration): unknown {
  return {
    file: path ?? null,
    settings: settings.map(({ spec, value, origin }) => ({
      key: spec.toml,
      option: spec.name,
      value: spec.kind === "secret" ? null : (value ?? null),
      ...(spec.kind === "secret" ? { isSet: value !== undefined } : {}),
      ...(spec.kind === "integer" && spec.unit !== "" ? { unit: spec.unit } : {}),
      origin,
    })),
    problems,
    warnings,
  };
}
