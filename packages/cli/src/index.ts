/** Public surface of `@walnut/cli`: the command line as a function, for programs that embed it. */
export { runCli, type CliEnvironment } from "./run-cli.ts";
export { EXIT_DAMAGE, EXIT_FAILURE, EXIT_LOCKED, EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
