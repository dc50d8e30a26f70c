/**
 * README's quick starts do what they say, as written: the shell lines in bash on a copy of this repository,
 * the TypeScript through the compiler and Node.
 *
 * The shell lines use port 8000 and `./data`. So that they need no change here, they run in a network and
 * process namespace of their own; where the system does not allow that, the test is skipped and says so.
 * Dependencies are linked from here: nothing is downloaded.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { ROOT } from "./setup.mjs";
import { readText, repositoryFiles } from "./tidy/repository-files.ts";

const README = readText("README.md");
const SERVER_HEADING = "## Quick start: the server";
const ENGINE_HEADING = "## Quick start: the engine";

/** Users, network, processes (which all end with the first one) and, as `ps` and Node need it, /proc. */
const OWN_NAMESPACES = ["--map-root-user", "--net", "--pid", "--fork", "--mount-proc"];
const BASH_LINES = "ip link set lo up && exec bash -s";
const TIME_LIMIT_MS = 360_000;

suite("README", () => {
  test("the server's quick start works line by line", (context) => {
    const refusal = namespaceRefusal();
    if (refusal !== undefined) {
      context.skip(refusal);
      return;
    }
    const directory = copyOfRepository(context);
    const lines = codeBlocks(SERVER_HEADING, "sh").join("");
    // What the shell prints of its own (jobs, a killed process) comes with the rest, in order.
    const { stdout, stderr, status } = unshare(BASH_LINES, directory, `exec 2>&1\n${lines}`);
    const output = `${stdout}${stderr}`;
    assert.equal(status, 0, output);
    assert.equal(output.match(/^HTTP\/1\.1 204 /gm)?.length, 1, output);
    assert.equal(output.match(/"data":\[\[1\]\]/g)?.length, 2, output);
    assert.equal(output.match(/"data":/g)?.length, 2, output);
    // The second start is one after a crash, and tells where the token is.
    assert.match(output, /recovered +1 record, 1 row/);
    assert.match(output, /token +in \S+\/data\/token$/m);
  });

  test("the engine's quick start compiles and runs", (context) => {
    const directory = temporaryDirectory(context);
    mkdirSync(join(directory, "node_modules", "@walnut"), { recursive: true });
    symlinkSync(join(ROOT, "packages", "wal"), join(directory, "node_modules", "@walnut", "wal"));
    const [program = ""] = codeBlocks(ENGINE_HEADING, "ts");
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    writeFileSync(join(directory, "program.ts"), program);
    const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const flags = ["--strict", "--module", "nodenext", "--target", "es2023"];
    const typeRoots = ["--typeRoots", join(ROOT, "node_modules", "@types"), "--types", "node"];
    const libraries = ["--lib", "es2023,esnext.disposable"];
    runNode(directory, [compiler, ...flags, ...typeRoots, ...libraries, "program.ts"]);
    const printed = runNode(directory, ["program.js"]);
    const lsns = [...printed.matchAll(/^(\d+) Uint8Array/gm)].map(([, lsn]) => Number(lsn));
    assert.deepEqual(lsns, [1, 2, 3], printed);
  });
});

/** Contents of the blocks of one language below a heading, each ending with a newline. */
function codeBlocks(heading: string, language: string): string[] {
  const start = README.indexOf(`${heading}\n`);
  assert.notEqual(start, -1, `README.md has no "${heading}"`);
  const end = README.indexOf("\n## ", start);
  const section = README.slice(start, end);
  const blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , content = ""]) => content);
  assert.notEqual(blocks.length, 0, `no ${language} blocks below "${heading}"`);
  return blocks;
}

/** Why namespaces cannot be had here, or `undefined` when they can. */
function namespaceRefusal(): string | undefined {
  if (process.platform !== "linux") return "needs the namespaces of Linux";
  const { status, stderr, error } = unshare("ip link set lo up && curl --version", ROOT, "");
  if (status === 0) return undefined;
  return `needs unshare, ip and curl: ${error?.message ?? stderr.trim()}`;
}

function unshare(command: string, cwd: string, input: string): ReturnType<typeof spawnText> {
  return spawnText("unshare", [...OWN_NAMESPACES, "bash", "-c", command], cwd, input);
}

/** The files of the repository as they are now, not built, with the dependencies of this one. */
function copyOfRepository(context: TestContext): string {
  const directory = temporaryDirectory(context);
  for (const file of repositoryFiles) {
    mkdirSync(join(directory, dirname(file)), { recursive: true });
    cpSync(join(ROOT, file), join(directory, file));
  }
  const dependencies = join(ROOT, "node_modules");
  const linked = join(directory, "node_modules");
  mkdirSync(linked);
  for (const name of readdirSync(dependencies)) {
    // Links into the repository must lead into the copy, and they are relative.
    if (name === "@walnut") {
      cpSync(join(dependencies, name), join(linked, name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    } else if (name !== ".cache") {
      symlinkSync(join(dependencies, name), join(linked, name));
    }
  }
  return directory;
}

function temporaryDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "walnut-readme-"));
  context.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

function runNode(cwd: string, nodeArguments: readonly string[]): string {
  const { status, stdout, stderr } = spawnText(process.execPath, nodeArguments, cwd, "");
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

function spawnText(
  program: string,
  programArguments: readonly string[],
  cwd: string,
  input: string,
): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly error?: Error | undefined;
} {
  // A person's variables (WALNUT_PORT, npm's own) are not part of the quick start.
  const variables = Object.entries(process.env).filter(
    ([name]) => !/^(WALNUT_|npm_|NODE_)/i.test(name),
  );
  return spawnSync(program, programArguments, {
    cwd,
    input,
    encoding: "utf8",
    // What a person sees: the output goes to a file here, and would be JSON.
    env: { ...Object.fromEntries(variables), WALNUT_LOG_FORMAT: "text" },
    timeout: TIME_LIMIT_MS,
    killSignal: "SIGKILL",
  });
}
