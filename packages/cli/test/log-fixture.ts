/** Real logs in temporary directories, and commands run on them. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openWal, type Wal, type WalOptions } from "@walnut/wal";
import { runCli } from "../src/run-cli.ts";
import { RecordedEnvironment } from "./recorded-environment.ts";

export async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-cli-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** An open log with `segments` segments of `records` records "record-LSN", a frame each. */
export async function openLog(
  directory: string,
  shape: { readonly segments: number; readonly records: number },
  options: Partial<WalOptions> = {},
): Promise<Wal> {
  // On a slow machine the log is idle between two appends; a frame that says so would move the others.
  const wal = await openWal({ directory, attestDelayMs: 0, ...options });
  for (let segment = 0; segment < shape.segments; segment++) {
    if (segment > 0) await wal.rotate();
    for (let record = 0; record < shape.records; record++) {
      await wal.append(Buffer.from(`record-${wal.positions.appendedLsn + 1}`));
    }
  }
  return wal;
}

/** A closed log of three segments with four records each. */
export async function closedLog(context: TestContext): Promise<string> {
  const directory = await temporaryDirectory(context);
  const wal = await openLog(directory, { segments: 3, records: 4 });
  await wal.close();
  return directory;
}

export interface CommandResult {
  readonly code: number;
  readonly environment: RecordedEnvironment;
}

/** Runs a command in a recorded process. */
export async function run(
  words: readonly string[],
  options: ConstructorParameters<typeof RecordedEnvironment>[0] = {},
): Promise<CommandResult> {
  const environment = new RecordedEnvironment(options);
  return { code: await runCli(words, environment), environment };
}

export function segmentFile(directory: string, segmentId: number): string {
  return join(directory, `${String(segmentId).padStart(12, "0")}.wal`);
}

/** Flips one bit of a file. */
export async function flip(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await writeFile(path, bytes);
}
