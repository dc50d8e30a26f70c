/**
 * The last starts of a shard, kept on disk so that a person can see after many restarts what each of them found.
 *
 *     recovery/worker-K.json    the newest 100 starts of shard K, newest first
 *
 * A note for people, not part of recovery: nothing is decided by it, and a start goes on when it cannot be written.
 * The file is replaced as a whole: a crash leaves the old list or the new one, and perhaps a `.tmp` that the next
 * start overwrites. A file that cannot be understood is set aside under another name, never overwritten.
 */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { syncDirectory } from "./data-directory.ts";
import { ifThere } from "./if-there.ts";

/** Starts that are kept for each shard. */
export const MAX_STARTS = 100;

const DIRECTORY_NAME = "recovery";
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const MAX_MESSAGE_LENGTH = 1_000;

/** One start of a shard: what it found, what it did, or why it failed. */
export interface StartNote {
  /** Wall clock, milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly outcome: "recovered" | "failed";
  readonly durationMs: number;
  /** Segments of the log. */
  readonly segments: number;
  /** Put back into memory. */
  readonly records: number;
  readonly rows: number;
  readonly bytes: number;
  /** Bytes of an unfinished last write that were cut off. */
  readonly tornTailBytes: number;
  /** Why the start failed. */
  readonly failure?: { readonly code: string; readonly message: string } | undefined;
}

const START_SCHEMA: z.ZodType<StartNote> = z.object({
  startedAtMs: z.number(),
  outcome: z.enum(["recovered", "failed"]),
  durationMs: z.number(),
  segments: z.number(),
  records: z.number(),
  rows: z.number(),
  bytes: z.number(),
  tornTailBytes: z.number(),
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
});

const FILE_SCHEMA = z.object({ version: z.literal(1), starts: z.array(START_SCHEMA) });

/** The last starts of one shard. */
export class RecoveryHistory {
  /** The file; may not exist yet. */
  readonly path: string;

  /** @param dataDirectory - exists */
  constructor(dataDirectory: string, shard: number) {
    this.path = join(dataDirectory, DIRECTORY_NAME, `worker-${shard}.json`);
  }

  /**
   * The starts, newest first; empty when there was none.
   *
   * @throws {Error} when there is a file that cannot be read or understood
   */
  async read(): Promise<readonly StartNote[]> {
    const text = await ifThere(readFile(this.path, "utf8"));
    return text === undefined ? [] : parse(text);
  }

  /** Adds a start. Called by whoever holds the lock of the shard's log, so nobody else writes. */
  async add(note: StartNote): Promise<void> {
    const directory = dirname(this.path);
    const made = await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
    if (made !== undefined) await syncDirectory(dirname(directory));
    const text = await ifThere(readFile(this.path, "utf8"));
    const earlier = text === undefined ? [] : await this.#parseOrSetAside(text);
    const starts = [shortened(note), ...earlier].slice(0, MAX_STARTS);
    await this.#replace(`${JSON.stringify({ version: 1, starts }, undefined, 1)}\n`);
  }

  async #parseOrSetAside(text: string): Promise<readonly StartNote[]> {
    try {
      return parse(text);
    } catch {
      await rename(this.path, `${this.path}.damaged`);
      return [];
    }
  }

  async #replace(text: string): Promise<void> {
    const temporaryPath = `${this.path}.tmp`;
    const file = await open(temporaryPath, "w", FILE_MODE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporaryPath, this.path);
    await syncDirectory(dirname(this.path));
  }
}

/** @throws {Error} for text that is not a list of starts */
function parse(text: string): readonly StartNote[] {
  return FILE_SCHEMA.parse(JSON.parse(text)).starts;
}

/** A message that quotes a lot must not make the file grow. */
function shortened(note: StartNote): StartNote {
  const { failure } = note;
  if (failure === undefined) return note;
  return {
    ...note,
    failure: { ...failure, message: failure.message.slice(0, MAX_MESSAGE_LENGTH) },
  };
}
