/**
 * What every command that looks at a log gets: where to print, how wide, which clock, when to stop.
 */
import { CommandOutput, type OutputState, type OutputStream } from "./command-output.ts";
import { ProgressBar, type ProgressLine } from "./progress-bar.ts";
import { terminalOf, type Terminal } from "./terminal.ts";

/** The process, as far as these commands need it. */
export interface CommandEnvironment extends OutputState {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly stdout: OutputStream;
  readonly stderr: ProgressLine;
  monotonicMs(): number;
  /** Wall clock, milliseconds since 1970. */
  nowMs(): number;
  /** Registers for SIGTERM and SIGINT. @returns a function that ends the registration */
  onStopSignal(listener: (signal: string) => void): () => void;
  /** Ends the process at once. */
  exitNow(code: number): void;
}

export interface CommandContext {
  readonly environment: CommandEnvironment;
  readonly terminal: Terminal;
  readonly output: CommandOutput;
  /** A line on standard error, for people: never part of the result. */
  readonly note: (line: string) => void;
  /** A progress bar that is silent where it would disturb. */
  progressBar(label: string, isJson: boolean): ProgressBar;
}

export function commandContext(environment: CommandEnvironment): CommandContext {
  const { stdout, stderr, variables } = environment;
  return {
    environment,
    terminal: terminalOf(stdout, variables),
    output: new CommandOutput(stdout, environment),
    note: (line) => void stderr.write(`${line}\n`),
    progressBar: (label, isJson) =>
      new ProgressBar({
        output: stderr,
        monotonicMs: () => environment.monotonicMs(),
        label,
        isWanted: !isJson,
      }),
  };
}
