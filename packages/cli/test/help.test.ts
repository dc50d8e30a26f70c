import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openRaftLog } from "@walnut/raft-log";
import { EXIT_OK } from "../src/exit-code.ts";
import { buildProgram } from "../src/program.ts";
import { runCli } from "../src/run-cli.ts";
import { openLog, run, temporaryDirectory } from "./log-fixture.ts";
import { RecordedEnvironment } from "./recorded-environment.ts";

const COMMANDS = [
  "inspect",
  "verify",
  "stats",
  "dump",
  "tail",
  "cursors",
  "cleanup",
  "repair",
  "backup",
  "restore",
  "raft",
  "bench",
  "fsync-test",
  "token",
  "export",
  "import",
  "completion",
];

/** Words of the examples in a help text, with pipes and remarks cut off. */
function examplesIn(help: string): string[][] {
  return help
    .slice(help.indexOf("Examples:"))
    .split("\n")
    .map((line) => /^ {2}walnut (.*?)( {2,}.*| [|>].*)?$/.exec(line)?.[1])
    .filter((words) => words !== undefined)
    .map((words) => words.split(" "));
}

suite("help", () => {
  test("names every command", () => {
    const environment = new RecordedEnvironment();
    const program = buildProgram(async () => undefined, environment);
    const names = program.commands.map((command) => command.name());
    assert.deepEqual(names.toSorted(), [...COMMANDS, "config", "forward", "serve"].toSorted());
  });

  for (const command of COMMANDS) {
    test(`of ${command} has examples that work, in lines that fit`, async (context) => {
      const { code, environment } = await run([command, "--help"]);
      assert.equal(code, EXIT_OK);
      for (const line of environment.out.split("\n")) assert.ok(line.length <= 80, line);
      const examples = examplesIn(environment.out);
      assert.ok(examples.length > 0 || command === "completion");
      for (const words of examples) await runExample(words, await dataDirectory(context));
    });
  }
});

/** A server's data directory in which the paths of the examples exist. */
async function dataDirectory(context: Parameters<typeof temporaryDirectory>[0]): Promise<string> {
  const data = await temporaryDirectory(context);
  for (const name of ["data/wal/worker-1", "log"]) {
    await mkdir(join(data, name), { recursive: true });
    const wal = await openLog(join(data, name), { segments: 1, records: 3 });
    await wal.appendBatch(Array.from({ length: 1300 }, () => new Uint8Array(1)));
    await wal.cursor("reader").ack(2);
    if (name === "log") await wal.backup(join(data, "backup"));
    await wal.close();
  }
  await mkdir(join(data, "archive"));
  const node = { storageRootDirectory: join(data, "node"), clusterId: 1, peerId: 1 };
  await (await openRaftLog(node)).close();
  return data;
}

async function runExample(words: readonly string[], data: string): Promise<void> {
  // Rows are only in the log of a server; what measures has a test of its own.
  if (words.some((word) => ["--decode", "bench", "fsync-test", "--url"].includes(word))) return;
  const inPlace = words.map((word) => word.replace(/^\.\//, `${data}/`));
  const environment = new RecordedEnvironment();
  const running = runCli(inPlace, environment);
  if (words.includes("-f")) {
    await environment.listening();
    environment.signal("SIGINT");
  }
  assert.equal(await running, EXIT_OK, `${words.join(" ")}: ${environment.err}`);
}

suite("walnut completion", () => {
  test("prints a script for each shell that knows every command", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, environment } = await run(["completion", shell]);
      assert.equal(code, EXIT_OK);
      for (const command of COMMANDS) assert.ok(environment.out.includes(command), command);
      assert.match(environment.out, /flush-rows/, "the flags of serve as well");
    }
  });

  test("completes commands, flags and values in bash", async (context) => {
    if (spawnSync("bash", ["--version"]).status !== 0) return context.skip("no bash here");
    const { environment } = await run(["completion", "bash"]);
    const complete = (...words: string[]): string[] => {
      const script = `${environment.out}
COMP_WORDS=(walnut ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}
_walnut; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
      assert.equal(stderr, "");
      return stdout.trim().split("\n");
    };
    assert.deepEqual(complete("insp"), ["inspect"]);
    assert.deepEqual(complete("dump", "--form"), ["--format"]);
    assert.deepEqual(complete("dump", "--format", "j"), ["jsonl"]);
    assert.deepEqual(complete("dump", "--format", "ra"), ["raw"]);
    assert.deepEqual(complete("export", "--format", "pa"), ["parquet"]);
    assert.deepEqual(complete("cursors", "ac"), ["ack"]);
    assert.ok(complete("cursors", "rm", "--").includes("--log"));
    assert.deepEqual(complete("config", "--exa"), ["--example"]);
    assert.deepEqual(complete("serve", "--durability", "fd"), ["fdatasync"]);
    assert.deepEqual(complete("serve", "--wal-enabled", "f"), ["false"]);
    const file = await temporaryDirectory(context);
    assert.deepEqual(complete("config", "--config", file), [file]);
    await writeFile(join(file, "rows.lp"), "");
    assert.deepEqual(complete("import", join(file, "ro")), [join(file, "rows.lp")]);
  });
});
