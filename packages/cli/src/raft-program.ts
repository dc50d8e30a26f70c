/**
 * The grammar of `walnut raft`. Parsing only: what works on Raft logs is loaded when one of these commands runs.
 */
import { Option, type Command } from "commander";
import { JSON_FLAG, subcommand, type RunCommand } from "./log-program.ts";

const RAFT_DIR_TEXT = "directory of a Raft node, or data directory of etcd";

/** Adds `raft` and what is below it to the program. */
export function addRaftCommands(program: Command, run: RunCommand): void {
  const raft = subcommand(program, {
    name: "raft",
    description: "look at Raft logs, repair and convert them; etcd's as well",
    examples: `  walnut raft dump ./node --limit 20      entries, from the oldest on
  walnut raft verify ./node               check every record
  walnut raft repair ./node               what a repair would do
  walnut raft convert ./node ./copy --backend etcd

All but repair --apply only look, also while a node or etcd has the log open.`,
  });
  addDump(raft, run);
  addVerify(raft, run);
  addRepair(raft, run);
  addConvert(raft, run);
}

function addDump(raft: Command, run: RunCommand): void {
  subcommand(raft, {
    name: "dump",
    description: "print the entries of a Raft log",
    examples: `  walnut raft dump /var/lib/etcd --from 100 --to 120
  walnut raft dump ./node --group 3 --limit 20
  walnut raft dump ./node --json | jq -r .data | base64 -d

Entries behind the commit index may still be replaced.`,
  })
    .argument("<dir>", RAFT_DIR_TEXT)
    .option("--group <number>", "only this group")
    .option("--from <index>", "first entry")
    .option("--to <index>", "last entry")
    .option("--limit <number>", "at most so many entries")
    .option("--json", "an object a line, data in base64")
    .action((directory, flags) =>
      run(async (context) => {
        const { raftDumpCommand } = await import("./raft-dump-command.ts");
        return await raftDumpCommand(directory, flags, context);
      }),
    );
}

function addVerify(raft: Command, run: RunCommand): void {
  subcommand(raft, {
    name: "verify",
    description: "check every record and snapshot of a Raft log",
    examples: `  walnut raft verify /var/lib/etcd    exit code 3: damage was found
  walnut raft verify ./node --json | jq .damage`,
  })
    .argument("<dir>", RAFT_DIR_TEXT)
    .option(...JSON_FLAG)
    .action((directory, flags) =>
      run(async (context) => {
        const { raftVerifyCommand } = await import("./raft-verify-command.ts");
        return await raftVerifyCommand(directory, flags, context);
      }),
    );
}

function addRepair(raft: Command, run: RunCommand): void {
  subcommand(raft, {
    name: "repair",
    description: "show what a repair of etcd's files would cut off, or do it",
    examples: `  walnut raft repair ./data            exit code 0: nothing to do
  walnut raft repair ./data --apply    keeps the file as it was as *.broken

Cuts off what a crash left at the end, as etcd does when it starts. Nothing
else can be repaired: what other nodes were promised must not be cut off.`,
  })
    .argument("<dir>", RAFT_DIR_TEXT)
    .option("--apply", "change the file; nothing else may have the log open")
    .option(...JSON_FLAG)
    .action((directory, flags) =>
      run(async (context) => {
        const { raftRepairCommand } = await import("./raft-repair-command.ts");
        return await raftRepairCommand(directory, flags, context);
      }),
    );
}

function addConvert(raft: Command, run: RunCommand): void {
  subcommand(raft, {
    name: "convert",
    description: "copy a Raft log into a new directory, for another backend",
    examples: `  walnut raft convert /var/lib/etcd ./node --backend walnut
  walnut raft convert ./node ./data/member --backend etcd

The copy is compared with the source before it gets its name. It is the same
peer of the same cluster: never start both.`,
  })
    .argument("<from>", RAFT_DIR_TEXT)
    .argument("<to>", "a new directory")
    .addOption(
      new Option("--backend <name>", "how the copy is kept")
        .choices(["walnut", "etcd", "level"])
        .makeOptionMandatory(),
    )
    .option("--group <number>", "only this group, as the only one of the copy")
    .option(...JSON_FLAG)
    .action((from, to, flags) =>
      run(async (context) => {
        const { raftConvertCommand } = await import("./raft-convert-command.ts");
        return await raftConvertCommand({ from, to }, flags, context);
      }),
    );
}
