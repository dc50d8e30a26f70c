/** The grammar of `walnut export` and `walnut import`. Parsing only. */
import { Option, type Command } from "commander";
import { exportCommand, TRANSFER_FORMATS } from "./export-command.ts";
import { importCommand } from "./import-command.ts";
import { JSON_FLAG, subcommand, type RunCommand } from "./log-program.ts";

const URL_FLAG = ["--url <url>", "the server; needs WALNUT_TOKEN or --token-file"] as const;
const TOKEN_FLAG = [
  "--token-file <file>",
  "a file with the token, instead of WALNUT_TOKEN",
] as const;

/** Adds the commands to the program. */
export function addTransferCommands(program: Command, run: RunCommand): void {
  subcommand(program, {
    name: "export",
    description: "copy the rows of a running server to a file or a pipe",
    examples: `  walnut export --url http://127.0.0.1:8000 --db d --measurement cpu -o cpu.lp
  walnut export --url https://db:8000 --db d | gzip > d.lp.gz
  walnut export --url https://db:8000 --db d --measurement cpu \\
      --start 2026-01-01 --stop 2026-02-01 --format parquet -o cpu.parquet

Every row that was answered before is in it, once. Without --measurement: all
of the database, one after the other. A file has its name when it is complete.`,
  })
    .requiredOption(...URL_FLAG)
    .requiredOption("--db <name>", "the database")
    .option("--measurement <name>", "only this one")
    .option("--start <time>", "first time: 2026-01-31T12:00:00Z, or nanoseconds")
    .option("--stop <time>", "first time that is left out")
    .addOption(
      new Option("--format <format>", "what to write").choices(TRANSFER_FORMATS).default("lp"),
    )
    .option("-o, --output <file>", "instead of standard output")
    .option(...TOKEN_FLAG)
    .option(...JSON_FLAG)
    .action((flags) => run((context) => exportCommand(flags, context)));
  subcommand(program, {
    name: "import",
    description: "write files to a running server, each row once",
    examples: `  walnut import cpu.lp --url http://127.0.0.1:8000 --db d
  walnut import *.lp.gz --url https://db:8000 --db d --precision s
  walnut import cpu.parquet mem.csv --url https://db:8000 --db d

Line protocol, also gzipped, and what \`walnut export\` has made: .csv, .jsonl,
.parquet. Interrupted, or run twice: batches that the server knows are not
stored again, as long as it remembers their keys (24 hours).`,
  })
    .argument("<file...>", "files, in this order")
    .requiredOption(...URL_FLAG)
    .requiredOption("--db <name>", "the database")
    .addOption(
      new Option("--format <format>", "of all files; default by their names, else lp").choices(
        TRANSFER_FORMATS,
      ),
    )
    .addOption(
      new Option("--precision <unit>", "unit of times in line protocol")
        .choices(["ns", "us", "ms", "s"])
        .default("ns"),
    )
    .option(...TOKEN_FLAG)
    .option(...JSON_FLAG)
    .action((files, flags) => run((context) => importCommand(files, flags, context)));
}
