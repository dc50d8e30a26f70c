/**
 * The grammar of `walnut forward` and the commands below it. Parsing only.
 *
 * The flags of the agent itself are those of its table, added once the server's loader is loaded ({@link defineForward}).
 */
import type { Command, Option } from "commander";
import type { ConfigFlags } from "./config-command.ts";
import {
  discardLetterCommand,
  forwardDrainCommand,
  forwardStatusCommand,
  forwardSwitchCommand,
  listLettersCommand,
  redriveLettersCommand,
  showLetterCommand,
  type ControlFlags,
  type DrainFlags,
} from "./forward-control-commands.ts";
import type { ForwardFlags } from "./forward-configuration.ts";
import { FORWARD_OPTION_TABLE, type ForwardOptionName } from "./forward-options.ts";
import { JSON_FLAG, subcommand, type RunCommand } from "./log-program.ts";

const FORWARD_EXAMPLES = `  walnut forward --to http://127.0.0.1:8000
  walnut forward --listen 127.0.0.1:9529 --to https://upstream.example
  walnut forward --to https://upstream.example --wal-path /mnt/wal-ramdisk
  walnut forward status
  walnut forward drain --timeout 60
  walnut forward dead-letters redrive
  walnut forward config

Producers write to http://127.0.0.1:9529/v1/write/logging, /write or
/api/v2/write, and are answered when their item is on disk.
Prefer WALNUT_FORWARD_TOKEN to --token: other users can see the flags of a process.`;

const URL_FLAG = [
  "--url <url>",
  "where the agent listens (default http://127.0.0.1:9529)",
] as const;

/** Adds `forward` and what is below it to the program. */
export function addForwardCommands(program: Command, run: RunCommand): void {
  const forward = subcommand(program, {
    name: "forward",
    description: "take writes on this host, keep them on disk, ship them upstream",
    examples: FORWARD_EXAMPLES,
  });
  control(forward, {
    name: "status",
    description: "show what waits, what was shipped and what failed",
    examples: "  walnut forward status --json",
  }).action((flags: ControlFlags) => run((context) => forwardStatusCommand(flags, context)));
  control(forward, {
    name: "pause",
    description: "send nothing more upstream; writes are taken as before",
    examples: "  walnut forward pause",
  }).action((flags: ControlFlags) =>
    run((context) => forwardSwitchCommand(flags, context, "pause")),
  );
  control(forward, {
    name: "resume",
    description: "go on after a pause",
    examples: "  walnut forward resume",
  }).action((flags: ControlFlags) =>
    run((context) => forwardSwitchCommand(flags, context, "resume")),
  );
  control(forward, {
    name: "drain",
    description: "ship everything now; exit code 1 when something is left",
    examples: "  walnut forward drain --timeout 60",
  })
    .option("--timeout <seconds>", "how long to wait for it", "30")
    .action((flags: DrainFlags) => run((context) => forwardDrainCommand(flags, context)));
  addLetterCommands(forward, run);
  addConfigCommand(forward);
}

function addLetterCommands(forward: Command, run: RunCommand): void {
  const letters = subcommand(forward, {
    name: "dead-letters",
    description: "requests that the upstream refused",
    examples: `  walnut forward dead-letters
  walnut forward dead-letters show 7
  walnut forward dead-letters redrive 7
  walnut forward dead-letters discard 7`,
  });
  control(letters, {
    name: "list",
    description: "list them, with what the upstream said",
    examples: "  walnut forward dead-letters list --json",
    isDefault: true,
  }).action((flags: ControlFlags) => run((context) => listLettersCommand(flags, context)));
  control(letters, {
    name: "show",
    description: "print the body of one, as it was sent; --json: and what is known of it",
    examples: "  walnut forward dead-letters show 7",
  })
    .argument("<id>", "as the list shows it")
    .action((id: string, flags: ControlFlags) =>
      run((context) => showLetterCommand(id, flags, context)),
    );
  control(letters, {
    name: "redrive",
    description: "send one again, or all of them; stored ones are forgotten",
    examples: "  walnut forward dead-letters redrive",
  })
    .argument("[id]", "as the list shows it; without it all")
    .action((id: string | undefined, flags: ControlFlags) =>
      run((context) => redriveLettersCommand(id, flags, context)),
    );
  control(letters, {
    name: "discard",
    description: "throw one away",
    examples: "  walnut forward dead-letters discard 7",
  })
    .argument("<id>", "as the list shows it")
    .action((id: string, flags: ControlFlags) =>
      run((context) => discardLetterCommand(id, flags, context)),
    );
}

function control(parent: Command, text: Parameters<typeof subcommand>[1]): Command {
  return subcommand(parent, text)
    .option(...URL_FLAG)
    .option(...JSON_FLAG);
}

/** What `walnut forward` and `walnut forward config` do. */
export interface ForwardActions {
  readonly run: (flags: ForwardFlags) => Promise<void>;
  readonly config: (flags: ForwardFlags, own: ConfigFlags) => Promise<void>;
}

/** Fills in the flags of the agent and what it does. The flags stand with `forward`, and are taken behind `config` as well. */
export function defineForward(
  forward: Command,
  optionOf: (spec: (typeof FORWARD_OPTION_TABLE)[number]) => Option,
  actions: ForwardActions,
): void {
  forward.option(
    "--config <file>",
    "configuration file (default ./walnut.toml if it is there; env WALNUT_CONFIG)",
  );
  const options = FORWARD_OPTION_TABLE.map((spec) => ({ spec, option: optionOf(spec) }));
  for (const { option } of options) forward.addOption(option);
  const flagsOf = (): ForwardFlags => {
    const values: Readonly<Record<string, unknown>> = forward.opts();
    const given: Partial<Record<ForwardOptionName, string>> = {};
    for (const { spec, option } of options) {
      const value = values[option.attributeName()];
      if (typeof value === "string") given[spec.name] = value;
    }
    const { config } = values;
    return { config: typeof config === "string" ? config : undefined, options: given };
  };
  forward.action(async () => await actions.run(flagsOf()));
  const config = forward.commands.find((command) => command.name() === "config");
  config?.action(async () => {
    const { check, example, json } = config.opts<Partial<ConfigFlags>>();
    const own = { check: check === true, example: example === true, json: json === true };
    await actions.config(flagsOf(), own);
  });
}

/** `walnut forward config`, but for what it does: that is known once the server's loader is loaded. */
function addConfigCommand(forward: Command): void {
  subcommand(forward, {
    name: "config",
    description: "show the configuration of the agent and where each value comes from",
    examples: `  walnut forward config --to http://127.0.0.1:8000
  walnut forward config --check          exit code 2: walnut forward would not start
  walnut forward config --example > walnut.toml

Takes the flags of walnut forward as well, to see what they would change.`,
  })
    .option("--check", "print only what is wrong")
    .option("--example", "print a walnut.toml with every key, its meaning and its default")
    .option(...JSON_FLAG);
}
