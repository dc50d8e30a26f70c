/**
 * Runs the command line: parse, dispatch, and turn every outcome into an exit code.
 */
import { CommanderError } from "commander";
import { EXIT_OK, EXIT_USAGE, exitCodeOf } from "./exit-code.ts";
import { failureText } from "./failure-text.ts";
import { buildProgram, type ProgramActions } from "./program.ts";
import { runServe, type ServeEnvironment } from "./serve-command.ts";
import { readServeOptions, unknownVariables } from "./serve-options.ts";

/** What the command line needs of its process. */
export interface CliEnvironment extends ServeEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
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
  const actions: ProgramActions = {
    async serve(flags) {
      for (const name of unknownVariables(environment.variables)) {
        environment.stderr.write(`walnut: variable ${name} is not known and has no effect\n`);
      }
      exitCode = await runServe(readServeOptions(flags, environment.variables), environment);
    },
  };
  const program = buildProgram(actions, environment);
  try {
    await program.parseAsync([...words], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its message; help and version end with code 0, wrong usage with 1.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    environment.stderr.write(`${failureText(error)}\n`);
    return exitCodeOf(error);
  }
}
