/**
 * Child processes of the process tests: the repository's TypeScript, run as the tests are.
 */
import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

/** A program of this folder, running. Its standard error goes to ours. */
export class Child {
  readonly process: ChildProcess;
  /** Resolves with the signal or exit code when the process and its output have ended. */
  readonly ended: Promise<string>;
  #output = "";
  #onOutput: () => void = () => undefined;

  constructor(program: string, programArguments: readonly string[], context: TestContext) {
    const file = fileURLToPath(new URL(program, import.meta.url));
    this.process = spawn(
      process.execPath,
      ["--conditions=@walnut/source", "--import", "tsx", file, ...programArguments],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    this.process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
      this.#onOutput();
    });
    // Writing to a process that has been killed fails, as it should.
    this.process.stdin?.on("error", () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      this.process.once("close", (code, signal) => {
        this.#onOutput();
        resolve(signal ?? String(code));
      });
    });
    context.after(() => this.kill());
  }

  /** Whole lines that the process has written so far. */
  get lines(): string[] {
    return this.#output.split("\n").slice(0, -1);
  }

  /** Resolves when so many lines are there, or the process has ended. */
  async hasLines(count: number): Promise<void> {
    const enough = new Promise<void>((resolve) => {
      this.#onOutput = () => {
        if (this.lines.length >= count) resolve();
      };
      this.#onOutput();
    });
    await Promise.race([enough, this.ended]);
  }

  tell(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  /** SIGKILL. Resolves when the process is gone and all it has written was read. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }
}

/** A directory that goes when the test is over. */
export function temporaryDirectory(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "walnut-process-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}
