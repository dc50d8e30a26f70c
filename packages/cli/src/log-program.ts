/**
 * The grammar of the commands that look at logs: words, flags, help texts with examples. Parsing only.
 */
import { DECODERS } from "./record-decoder.ts";
import { Option, type Command } from "commander";
import { benchCommand } from "./bench-command.ts";
import { cleanupCommand } from "./cleanup-command.ts";
import type { CommandContext } from "./command-context.ts";
import { completionScript, SHELLS, type Shell } from "./completion-script.ts";
import { ackCursorCommand, cursorsCommand, removeCursorCommand } from "./cursors-command.ts";
import { dumpCommand, tailCommand } from "./dump-command.ts";
import { EXIT_OK } from "./exit-code.ts";
import { fsyncTestCommand } from "./fsync-test-command.ts";
import { inspectCommand } from "./inspect-command.ts";
import { statsCommand } from "./stats-command.ts";
import { verifyCommand } from "./verify-command.ts";

/** Runs the work of a command with its context; the result is the exit code. */
export type RunCommand = (work: (context: CommandContext) => Promise<number>) => Promise<void>;

export const DIR_TEXT: string = "directory of a log, or data directory of a server";
export const JSON_FLAG: readonly [string, string] = ["--json", "print JSON"];
export const KEY_FLAG: readonly [string, string] = [
  "--key-file <path>",
  "keys of an encrypted log",
];
export const LOG_FLAG: readonly [string, string] = [
  "--log <name>",
  "which log of a server: worker-1, catalog-1",
];

/** Adds the commands to the program. */
export function addLogCommands(program: Command, run: RunCommand): void {
  addLookingCommands(program, run);
  addRecordCommands(program, run);
  addCursorCommands(program, run);
  addCleanupCommand(program, run);
}

export interface SubcommandText {
  readonly name: string;
  readonly description: string;
  readonly examples: string;
  readonly isDefault?: boolean;
}

/** A command with examples in its help. */
export function subcommand(program: Command, text: SubcommandText): Command {
  return program
    .command(text.name, { isDefault: text.isDefault ?? false })
    .copyInheritedSettings(program)
    .description(text.description)
    .exitOverride()
    .addHelpText("after", `\nExamples:\n${text.examples}\n`);
}

function addLookingCommands(program: Command, run: RunCommand): void {
  subcommand(program, {
    name: "inspect",
    description: "show the segments of a log, a map of them, and who holds space",
    examples: `  walnut inspect ./data                  every log of a server
  walnut inspect ./data/wal/worker-1 --headers
  walnut inspect ./data --json | jq '.logs[0].segments'`,
  })
    .argument("<dir>", DIR_TEXT)
    .option("--all", "every segment, however many there are")
    .option("--headers", "what each segment's header says")
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => inspectCommand(directory, flags, context)));
  subcommand(program, {
    name: "verify",
    description: "check every frame of every segment, the chain, checkpoint and cursors",
    examples: `  walnut verify ./data                   exit code 3: damage was found
  walnut verify ./data --json | jq '.logs[].damage'`,
  })
    .argument("<dir>", DIR_TEXT)
    .option(...KEY_FLAG)
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => verifyCommand(directory, flags, context)));
  subcommand(program, {
    name: "stats",
    description: "count records, bytes, frames, sizes and rates",
    examples: `  walnut stats ./data
  walnut stats ./data --json | jq '.logs[0].recordsPerFrame'`,
  })
    .argument("<dir>", DIR_TEXT)
    .option(...KEY_FLAG)
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => statsCommand(directory, flags, context)));
}

function withPrintFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--format <format>", "a line each, a JSON object each, or payloads only")
        .choices(["text", "jsonl", "raw"])
        .default("text"),
    )
    .option("--json", "the same as --format jsonl")
    .option("--filter <text>", "only payloads that contain this text")
    .option("--kind <number>", "only records of this kind")
    .addOption(
      new Option(
        "--decode <what>",
        "rows of a server's log or points of a series log instead of records",
      ).choices([...DECODERS]),
    )
    .option(...KEY_FLAG)
    .option(...LOG_FLAG);
}

function addRecordCommands(program: Command, run: RunCommand): void {
  withPrintFlags(
    subcommand(program, {
      name: "dump",
      description: "print records, from the oldest to the newest",
      examples: `  walnut dump ./data --limit 20
  walnut dump ./data --from 1 --to 500 --format jsonl
  walnut dump ./data --from-time 10m --filter web-1
  walnut dump ./data --from-time 2026-01-31T12:00Z --to-time 2026-01-31T12:05Z
  walnut dump ./data --decode ingest     rows in line protocol
  walnut dump ./store/log --decode series    points, swaps and releases

Times are those of the writer's clock. Damage is named on standard error, and
what lies behind it is printed.`,
    }).argument("<dir>", DIR_TEXT),
  )
    .option("--from <lsn>", "first record")
    .option("--to <lsn>", "last record")
    .option("--from-time <time>", "written then or later: 2026-01-31T12:00:00Z, or 10m ago: 10m")
    .option("--to-time <time>", "written then or before")
    .option("--limit <number>", "at most so many records")
    .action((directory, flags) => run((context) => dumpCommand(directory, flags, context)));
  withPrintFlags(
    subcommand(program, {
      name: "tail",
      description: "print the newest records, and with -f those to come",
      examples: `  walnut tail ./data -n 5
  walnut tail ./data -f --decode ingest
  walnut tail ./data -f --format jsonl --filter error

Shows what the operating system has, durable or not. Ctrl-C ends it.`,
    }).argument("<dir>", DIR_TEXT),
  )
    .option("-f, --follow", "wait for more, across segments and restarts of the writer")
    .option("-n, --lines <number>", "so many of the newest records (default 10)")
    .action((directory, flags) => run((context) => tailCommand(directory, flags, context)));
}

function addCursorCommands(program: Command, run: RunCommand): void {
  const cursors = subcommand(program, {
    name: "cursors",
    description: "list cursors; move or remove one of a log that nobody writes",
    examples: `  walnut cursors ./data
  walnut cursors ack ./log reader 1200   records up to 1200 may go
  walnut cursors rm ./log reader         nobody will ask for its records

Moving or removing a cursor releases the segments that it alone was holding:
their records are gone.`,
  });
  subcommand(cursors, {
    name: "list",
    description: "list cursors (what `walnut cursors DIR` does)",
    examples: "  walnut cursors list ./data",
    isDefault: true,
  })
    .argument("<dir>", DIR_TEXT)
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => cursorsCommand(directory, flags, context)));
  subcommand(cursors, {
    name: "ack",
    description: "move a cursor forward",
    examples: "  walnut cursors ack ./log reader 1200",
  })
    .argument("<dir>", DIR_TEXT)
    .argument("<name>", "the cursor")
    .argument("<lsn>", "last record that is no longer needed")
    .option(...KEY_FLAG)
    .option(...JSON_FLAG)
    .option(...LOG_FLAG)
    .action((directory, name, lsn, flags) =>
      run((context) => ackCursorCommand({ directory, name, lsn }, flags, context)),
    );
  subcommand(cursors, {
    name: "rm",
    description: "remove a cursor",
    examples: "  walnut cursors rm ./log reader",
  })
    .argument("<dir>", DIR_TEXT)
    .argument("<name>", "the cursor")
    .option(...KEY_FLAG)
    .option(...JSON_FLAG)
    .option(...LOG_FLAG)
    .action((directory, name, flags) =>
      run((context) => removeCursorCommand({ directory, name }, flags, context)),
    );
}

function addCleanupCommand(program: Command, run: RunCommand): void {
  subcommand(program, {
    name: "cleanup",
    description: "remove archived segments by age and size, and leftovers",
    examples: `  walnut cleanup ./data --older-than 7d --dry-run
  walnut cleanup ./data --older-than 7d
  walnut cleanup ./log --archive ./archive --keep 10g

Removes *.wal.recovered files, which no cursor needs, and files that are no
part of the log any more. Never touches the log itself, or its quarantine/.`,
  })
    .argument("<dir>", DIR_TEXT)
    .option("--older-than <age>", "archived segments older than this: 12h, 7d")
    .option("--keep <size>", "archived segments beyond the newest of this size: 500m, 10g")
    .option("--all", "all archived segments")
    .option("--archive <dir>", "another directory with archived segments")
    .option("--dry-run", "only say what would be removed")
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => cleanupCommand(directory, flags, context)));
}

/** Adds `bench` and `fsync-test` to the program. */
export function addMeasuringCommands(program: Command, run: RunCommand): void {
  subcommand(program, {
    name: "bench",
    description: "measure appends at each durability level on a disk",
    examples: `  walnut bench                           in the directory for temporary files
  walnut bench /var/lib/walnut --seconds 3

Writes to a directory of its own, which is removed. Takes about ten seconds.`,
  })
    .argument("[dir]", "an existing directory on the disk that is meant")
    .option("--seconds <number>", "time for each line (default 1)")
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => benchCommand(directory, flags, context)));
  subcommand(program, {
    name: "fsync-test",
    description: "find the fastest way to make writes durable on a disk",
    examples: `  walnut fsync-test                      in this directory
  walnut fsync-test /var/lib/walnut --seconds 1

Writes one file of 32 MiB in a directory of its own, which is removed. Takes
about ten seconds.`,
  })
    .argument("[dir]", "an existing directory on the disk that is meant", ".")
    .option("--seconds <number>", "time for each line (default 0.3)")
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => fsyncTestCommand(directory, flags, context)));
}

/** Adds `completion` to the program. */
export function addCompletionCommand(program: Command, run: RunCommand): void {
  const completion = subcommand(program, {
    name: "completion",
    description: "print a completion script for a shell",
    examples: `  source <(walnut completion bash)
  source <(walnut completion zsh)
  walnut completion fish > ~/.config/fish/completions/walnut.fish`,
  });
  completion
    .addArgument(completion.createArgument("<shell>", "bash, zsh or fish").choices(SHELLS))
    .action((shell: Shell) =>
      run(async ({ output }) => {
        output.line(completionScript(shell, program).trimEnd());
        await output.flush();
        return EXIT_OK;
      }),
    );
}
