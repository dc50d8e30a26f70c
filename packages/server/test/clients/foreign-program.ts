/** Programs of others that tests run against a server: whether they are here, and running them to their end. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Why tests with these programs cannot run here, or `false`. For the `skip` option of a test. */
export function missingPrograms(programs: readonly string[], packageName: string): string | false {
  const path = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`.split(
    delimiter,
  );
  const missing = programs.filter((name) => !path.some((folder) => existsSync(join(folder, name))));
  if (missing.length === 0) return false;
  return `${missing.join(", ")} missing; on Debian: apt-get install ${packageName}`;
}

/** What a program said, and how it ended. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program that ends by itself. The event loop goes on: the server may be in this process. */
export function run(
  program: string,
  programArguments: readonly string[],
  input = "",
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArguments, { stdio: "pipe" });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** Starts a program that runs until it is told to stop. Its output goes nowhere. */
export function startProgram(program: string, programArguments: readonly string[]): ChildProcess {
  return spawn(program, programArguments, { stdio: "ignore" });
}

/** Ends a program and waits for it. */
export async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

/** True when Debian's Python has a module. */
export function hasPythonModule(name: string): boolean {
  return spawnSync("/usr/bin/python3", ["-c", `import ${name}`]).status === 0;
}

/** Waits until a check gives something else than `undefined`. */
export async function eventually<T>(check: () => Promise<T | undefined>, what: string): Promise<T> {
  const deadlineMs = performance.now() + 30_000;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`after 30 s still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
