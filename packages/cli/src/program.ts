/**
 * The grammar of the `walnut` command: sub-commands, flags, help texts. Parsing only; the work is done by
 * the `*-command.ts` files.
 */
import {
  DEFAULT_SERVER_OPTIONS,
  SERVER_OPTION_TABLE,
  WALNUT_VERSION,
  type ServerOptionName,
  type ServerOptionSpec,
} from "@walnut/server";
import { Command, Option } from "commander";
import { variableOf } from "./serve-options.ts";

/** What the sub-commands do. */
export interface ProgramActions {
  serve(flags: Readonly<Partial<Record<ServerOptionName, string>>>): Promise<void>;
}

const MAIN_EXAMPLES = `
Examples:
  walnut serve                            run the server on 127.0.0.1:8000, data in ./data
  walnut serve --port 9000 --data-dir /var/lib/walnut
  walnut serve --help                     every option, with defaults and variables

Exit codes: 0 done, 1 failure, 2 wrong usage or configuration.
`;

const SERVE_EXAMPLES = `
Every flag has a variable: --flush-rows is WALNUT_FLUSH_ROWS. A flag wins over a variable.
Prefer WALNUT_TOKEN to --token: other users can see the flags of a process.

Examples:
  walnut serve
  WALNUT_TOKEN=... walnut serve --host 0.0.0.0
  walnut serve --durability interval --sync-interval-ms 200

SIGTERM and SIGINT stop cleanly: requests in flight are answered, rows are flushed, exit 0.
`;

/** Where help and messages about usage go. */
export interface ProgramOutput {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** Builds the command. The end of the process is left to the caller: commander throws CommanderError. */
export function buildProgram(actions: ProgramActions, output: ProgramOutput): Command {
  const program = new Command("walnut")
    .description("A write-ahead log, and the ingest server built on it.")
    .version(WALNUT_VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void output.stdout.write(text),
      writeErr: (text) => void output.stderr.write(text),
    })
    .addHelpText("after", MAIN_EXAMPLES);
  const serve = program
    .command("serve")
    .copyInheritedSettings(program)
    .description("run the ingest server: line protocol and MessagePack in, SQL out")
    .exitOverride()
    .addHelpText("after", SERVE_EXAMPLES);
  for (const spec of SERVER_OPTION_TABLE) serve.addOption(optionOf(spec));
  serve.action(async () => {
    await actions.serve(flagsOf(serve));
  });
  return program;
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
  if (spec.name !== "token") parts.push(`default ${String(DEFAULT_SERVER_OPTIONS[spec.name])}`);
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
