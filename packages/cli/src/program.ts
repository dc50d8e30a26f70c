/**
 * The grammar of the `walnut` command: the program, its help, and the commands below it. Parsing only.
 */
import { Command } from "commander";
import { cliVersion } from "./cli-version.ts";
import { addForwardCommands } from "./forward-program.ts";
import {
  addCompletionCommand,
  addLogCommands,
  addMeasuringCommands,
  type RunCommand,
} from "./log-program.ts";
import { addRaftCommands } from "./raft-program.ts";
import { addRepairCommands } from "./repair-program.ts";
import { addTokenCommands } from "./token-program.ts";
import { addTransferCommands } from "./transfer-program.ts";

const MAIN_EXAMPLES = `
Examples:
  walnut serve                            data in ./data, port 8000
  walnut inspect ./data                   look at its logs while it runs
  walnut verify ./data                    check every frame
  walnut tail ./data -f --decode ingest   watch rows arrive
  walnut serve --help                     every option
  walnut forward --to http://db:8000      keep writes here until they are there
  walnut config                           what applies, and why

Commands that look at a log take no lock and write nothing: they are safe
beside a running server.

Exit codes: 0 done, 1 failure, 2 wrong usage or no log there, 3 damage found,
4 locked by another process.
`;

/** Commands that have the flags of the server. */
const SERVER_COMMANDS = [
  ["serve", "run the ingest server: line protocol and MessagePack in, SQL out"],
  ["config", "show the configuration of serve and where each value comes from"],
] as const;

/** Where help and messages about usage go. */
export interface ProgramOutput {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Builds the command, with `serve` and `config` as bare names: their flags are those of the server and known once that is loaded
 * (`serve-program.ts`). The end of the process is left to the caller: commander throws CommanderError.
 */
export function buildProgram(run: RunCommand, output: ProgramOutput): Command {
  const program = new Command("walnut")
    .description("A write-ahead log, and the ingest server built on it.")
    .version(cliVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void output.stdout.write(text),
      writeErr: (text) => void output.stderr.write(text),
    })
    .addHelpText("after", MAIN_EXAMPLES);
  program.commandsGroup("Server:");
  for (const [name, text] of SERVER_COMMANDS) {
    program.command(name).copyInheritedSettings(program).description(text).exitOverride();
  }
  addTokenCommands(program, run);
  addTransferCommands(program, run);
  addForwardCommands(program, run);
  program.commandsGroup("Logs:");
  addLogCommands(program, run);
  addRepairCommands(program, run);
  addRaftCommands(program, run);
  program.commandsGroup("Others:");
  addMeasuringCommands(program, run);
  addCompletionCommand(program, run);
  program.helpCommand("help [command]");
  return program;
}
