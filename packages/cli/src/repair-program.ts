/**
 * The grammar of the commands that copy, restore and mend logs. Parsing only.
 */
import type { Command } from "commander";
import { backupCommand } from "./backup-command.ts";
import {
  DIR_TEXT,
  JSON_FLAG,
  KEY_FLAG,
  LOG_FLAG,
  subcommand,
  type RunCommand,
} from "./log-program.ts";
import { repairCommand } from "./repair-command.ts";
import { restoreCommand } from "./restore-command.ts";

/** Adds `repair`, `backup` and `restore` to the program. */
export function addRepairCommands(program: Command, run: RunCommand): void {
  subcommand(program, {
    name: "repair",
    description: "show what a repair of a damaged log would do, or do it",
    examples: `  walnut repair ./log           exit code 0: nothing is damaged, 3: something is
  walnut repair ./log --apply   copies ./log to ./log-before-repair-TIME first
  walnut repair ./data --log worker-1 --json

Damaged bytes go to quarantine/ with a report. Records that are lost stay named:
a reader meets a gap. With --apply the log must not be open.`,
  })
    .argument("<dir>", DIR_TEXT)
    .option("--apply", "change the log")
    .option("--no-backup", "do not copy the directory first")
    .option(...LOG_FLAG)
    .option(...JSON_FLAG)
    .action((directory, flags) => run((context) => repairCommand(directory, flags, context)));
  subcommand(program, {
    name: "backup",
    description: "copy a log into a directory, while it is written or not",
    examples: `  walnut backup ./log ./backups/2026-01-31
  walnut backup ./data ./backups/worker-1 --log worker-1

Holds what the system has, up to the last complete batch. Old segments are hard
links where the target is on the same file system.`,
  })
    .argument("<dir>", DIR_TEXT)
    .argument("<target>", "an empty or a new directory")
    .option(...LOG_FLAG)
    .option(...JSON_FLAG)
    .action((directory, target, flags) =>
      run((context) => backupCommand(directory, target, flags, context)),
    );
  subcommand(program, {
    name: "restore",
    description: "make a log of a backup, up to an LSN or a time",
    examples: `  walnut restore ./backup ./restored
  walnut restore ./backup ./restored --until-lsn 1200
  walnut restore ./backup ./restored --until-time 2026-01-31T12:00:00Z

The backup is only read. Every frame is verified.`,
  })
    .argument("<backup>", "directory of a backup")
    .argument("<dir>", "an empty or a new directory")
    .option("--until-lsn <lsn>", "the last record to restore")
    .option("--until-time <time>", "records written until then: a time, or an age: 10m")
    .option(...KEY_FLAG)
    .option(...JSON_FLAG)
    .action((backup, directory, flags) =>
      run((context) => restoreCommand(backup, directory, flags, context)),
    );
}
