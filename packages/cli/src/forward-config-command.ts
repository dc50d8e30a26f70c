/**
 * `walnut forward config`: the configuration that `walnut forward` would run with, and where each value comes from.
 *
 * Reads and prints; starts nothing, makes no directory. Secrets are never shown.
 */
import { configurationExample } from "@walnut/server";
import type { CommandContext } from "./command-context.ts";
import { printExample, showConfiguration, type ConfigFlags } from "./config-command.ts";
import { loadForwardSettings, type ForwardFlags } from "./forward-configuration.ts";
import { FORWARD_OPTION_TABLE } from "./forward-options.ts";

const EXAMPLE_HEADING = `walnut.toml of an agent: every option of \`walnut forward\`, with its default. Only [forward] to has none.

walnut forward reads the file named by --config or WALNUT_CONFIG, otherwise ./walnut.toml if it is there; walnut serve may
share it. A flag wins over an environment variable, a variable over this file, this file over the default.
Relative paths start at the working directory. Unknown keys and wrong values stop the start.
See what applies, and why: walnut forward config. Made by: walnut forward config --example`;

/** @returns the exit code: 0, or that of wrong usage when the agent would not start */
export async function forwardConfigCommand(
  flags: ForwardFlags,
  own: ConfigFlags,
  context: CommandContext,
): Promise<number> {
  if (own.example) return await printExample(forwardExample(), context);
  const configuration = await loadForwardSettings(flags, context.environment.variables);
  const exampleCommand = "walnut forward config --example";
  return await showConfiguration(configuration, own, { context, exampleCommand });
}

/** The example file: deploy/walnut-forward.toml is this text. */
export function forwardExample(): string {
  return configurationExample(FORWARD_OPTION_TABLE, EXAMPLE_HEADING);
}
