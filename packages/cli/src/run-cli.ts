/**
 * Runs the command line: parse, dispatch, and turn every outcome into an exit code.
 */
import { isWalError } from "@walnut/wal";
import { CommanderError, type Command } from "commander";
import { jsonValue } from "./command-output.ts";
import { commandContext, type CommandEnvironment } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_OK, EXIT_USAGE, exitCodeOf, logExitCodeOf } from "./exit-code.ts";
import { defineForward } from "./forward-program.ts";
import { buildProgram } from "./program.ts";
import type { ServeEnvironment } from "./serve-command.ts";

/** What the command line needs of its process. */
export interface CliEnvironment extends ServeEnvironment, CommandEnvironment {
  readonly stdout: CommandEnvironment["stdout"];
  readonly stderr: CommandEnvironment["stderr"] & ServeEnvironment["stderr"];
}

/** Commands whose flags are those of the server, or of all commands. */
const SERVER_COMMANDS = ["serve", "config", "completion", "forward"];

/**
 * Runs one command.
 *
 * @param words - the words after `walnut`
 * @returns the exit code
 */
export async function runCli(
  words: readonly string[],
  environment: CliEnvironment,
): Promise<number> {
  let exitCode = EXIT_OK;
  const program = buildProgram(async (work) => {
    exitCode = await work(commandContext(environment));
  }, environment);
  try {
    // The server is loaded for the commands that are about it: the others start three times as fast.
    if (SERVER_COMMANDS.some((command) => words.includes(command))) {
      await addServerCommands(program, environment, (code) => (exitCode = code));
    }
    await program.parseAsync([...words], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its message; help and version end with code 0, wrong usage with 1.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    return await reportFailure(error, words, environment);
  }
}

async function addServerCommands(
  program: Command,
  environment: CliEnvironment,
  done: (exitCode: number) => void,
): Promise<void> {
  const { defineConfig, defineServe, optionOf } = await import("./serve-program.ts");
  const { loadServeConfiguration, serverOptionsOf } = await import("./serve-configuration.ts");
  const { runServe } = await import("./serve-command.ts");
  const { configCommand } = await import("./config-command.ts");
  defineServe(commandOf(program, "serve"), async (flags) => {
    const configuration = await loadServeConfiguration(flags, environment.variables);
    const options = serverOptionsOf(configuration);
    done(await runServe(options, environment, configuration.warnings));
  });
  const { loadForwardConfiguration } = await import("./forward-configuration.ts");
  const { runForward } = await import("./forward-command.ts");
  const { forwardConfigCommand } = await import("./forward-config-command.ts");
  defineForward(commandOf(program, "forward"), optionOf, {
    run: async (flags) => {
      const configuration = await loadForwardConfiguration(flags, environment.variables);
      done(await runForward(configuration, environment));
    },
    config: async (flags, own) => {
      done(await forwardConfigCommand(flags, own, commandContext(environment)));
    },
  });
  defineConfig(commandOf(program, "config"), async (flags, own) => {
    done(await configCommand(flags, own, commandContext(environment)));
  });
}

function commandOf(program: Command, name: string): Command {
  const found = program.commands.find((command) => command.name() === name);
  if (found === undefined) throw new Error(`the program has no command ${name}`);
  return found;
}

/** Prints what went wrong, for people, and as JSON where that was asked for. */
async function reportFailure(
  error: unknown,
  words: readonly string[],
  environment: CliEnvironment,
): Promise<number> {
  const isServe = ["serve", "config", "forward"].includes(words[0] ?? "");
  const exitCode =
    error instanceof CommandFailure
      ? error.exitCode
      : isServe
        ? exitCodeOf(error)
        : logExitCodeOf(error);
  environment.stderr.write(`${await failureLine(error)}\n`);
  if (words.includes("--json")) {
    const message = error instanceof Error ? error.message : String(error);
    const known = { message, exitCode, ...codeOf(error) };
    environment.stdout.write(`${JSON.stringify({ error: known }, jsonValue)}\n`);
  }
  return exitCode;
}

/** Code and details of an operating error, whichever package of ours it comes from. */
function codeOf(error: unknown): Readonly<Record<string, unknown>> {
  const isOurs = isWalError(error) || (error instanceof Error && "isRaftLogError" in error);
  if (!isOurs || !("code" in error) || !("details" in error)) return {};
  return { code: error.code, details: error.details };
}

async function failureLine(error: unknown): Promise<string> {
  if (error instanceof CommandFailure) return `walnut: ${error.message}`;
  const { failureText } = await import("./failure-text.ts");
  return failureText(error);
}
