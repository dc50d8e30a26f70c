/**
 * Runs the command line: parse, dispatch, and turn every outcome into an exit code.
 */
import { isWalError } from "@walnut/wal";
import { CommanderError, type Command } from "commander";
import { commandContext, type CommandEnvironment } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_OK, EXIT_USAGE, exitCodeOf, logExitCodeOf } from "./exit-code.ts";
import { buildProgram } from "./program.ts";
import type { ServeEnvironment } from "./serve-command.ts";

/** What the command line needs of its process. */
export interface CliEnvironment extends ServeEnvironment, CommandEnvironment {
  readonly stdout: CommandEnvironment["stdout"];
  readonly stderr: CommandEnvironment["stderr"] & ServeEnvironment["stderr"];
}

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
    if (words.includes("serve") || words.includes("completion")) {
      await addServe(program, environment, (code) => (exitCode = code));
    }
    await program.parseAsync([...words], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its message; help and version end with code 0, wrong usage with 1.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    return await reportFailure(error, words, environment);
  }
}

async function addServe(
  program: Command,
  environment: CliEnvironment,
  done: (exitCode: number) => void,
): Promise<void> {
  const serve = program.commands.find((command) => command.name() === "serve");
  if (serve === undefined) return;
  const { defineServe } = await import("./serve-program.ts");
  const { readServeOptions, unknownVariables } = await import("./serve-options.ts");
  const { runServe } = await import("./serve-command.ts");
  defineServe(serve, async (flags) => {
    for (const name of unknownVariables(environment.variables)) {
      environment.stderr.write(`walnut: variable ${name} is not known and has no effect\n`);
    }
    done(await runServe(readServeOptions(flags, environment.variables), environment));
  });
}

/** Prints what went wrong, for people, and as JSON where that was asked for. */
async function reportFailure(
  error: unknown,
  words: readonly string[],
  environment: CliEnvironment,
): Promise<number> {
  const isServe = words[0] === "serve";
  const exitCode =
    error instanceof CommandFailure
      ? error.exitCode
      : isServe
        ? exitCodeOf(error)
        : logExitCodeOf(error);
  environment.stderr.write(`${await failureLine(error)}\n`);
  if (words.includes("--json")) {
    const message = error instanceof Error ? error.message : String(error);
    const known = isWalError(error) ? { code: error.code, details: error.details } : {};
    environment.stdout.write(`${JSON.stringify({ error: { message, exitCode, ...known } })}\n`);
  }
  return exitCode;
}

async function failureLine(error: unknown): Promise<string> {
  if (error instanceof CommandFailure) return `walnut: ${error.message}`;
  const { failureText } = await import("./failure-text.ts");
  return failureText(error);
}
