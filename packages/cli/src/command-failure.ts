/**
 * A command that cannot do what it was asked for, with the sentence for the person who asked and the exit code.
 */

/** Thrown by commands; `run-cli.ts` prints the message and ends with the code. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
  }
}
