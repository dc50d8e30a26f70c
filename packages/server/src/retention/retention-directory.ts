/**
 * `DATA_DIR/retention/`: the rules, and the clock of each worker, as small files that are replaced as a whole.
 *
 * A missing file is no rules and no clock; one that cannot be read is an error, and nothing is deleted then.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ServerError } from "../errors.ts";
import { ifThere } from "../if-there.ts";
import { nodeStoreFileSystem, type StoreFileSystem } from "../store/store-file-system.ts";
import { parseRetentionRules, type RetentionRule } from "./retention-rules.ts";

const RULES_NAME = "rules.json";

/** Reads and replaces the files. */
export class RetentionDirectory {
  readonly #dataDirectory: string;
  readonly #directory: string;
  readonly #files: StoreFileSystem;

  /** @param dataDirectory - exists */
  constructor(dataDirectory: string, files: StoreFileSystem = nodeStoreFileSystem) {
    this.#dataDirectory = dataDirectory;
    this.#files = files;
    this.#directory = join(dataDirectory, "retention");
  }

  /** @throws {ServerError} `SERVER_RETENTION_UNAVAILABLE` */
  async readRules(): Promise<readonly RetentionRule[]> {
    const text = await this.#read(RULES_NAME);
    if (text === undefined) return [];
    try {
      return parseRetentionRules(text);
    } catch (error) {
      throw unavailable(join(this.#directory, RULES_NAME), "understood", error);
    }
  }

  /** Durable when it resolves. @throws {ServerError} `SERVER_RETENTION_UNAVAILABLE` */
  async writeRules(rules: readonly RetentionRule[]): Promise<void> {
    await this.#replace(RULES_NAME, `${JSON.stringify({ rules }, undefined, 2)}\n`);
  }

  /** The wall clock that a worker believed last. @throws {ServerError} `SERVER_RETENTION_UNAVAILABLE` */
  async readClock(worker: number): Promise<number | undefined> {
    const name = clockName(worker);
    const text = await this.#read(name);
    if (text === undefined) return undefined;
    const believedMs = Number(text);
    if (/^\d{1,16}\n$/.test(text) && Number.isSafeInteger(believedMs)) return believedMs;
    throw unavailable(join(this.#directory, name), "understood", new Error("it is no time"));
  }

  /** @throws {ServerError} `SERVER_RETENTION_UNAVAILABLE` */
  async writeClock(worker: number, believedMs: number): Promise<void> {
    await this.#replace(clockName(worker), `${Math.trunc(believedMs)}\n`);
  }

  async #read(name: string): Promise<string | undefined> {
    const path = join(this.#directory, name);
    try {
      return await ifThere(readFile(path, "utf8"));
    } catch (error) {
      throw unavailable(path, "read", error);
    }
  }

  async #replace(name: string, text: string): Promise<void> {
    const path = join(this.#directory, name);
    const temporaryPath = `${path}.${process.pid}.tmp`;
    try {
      await this.#files.makeDirectory(this.#directory);
      // 1. Durable under a name that nobody reads. CRASH: retention-1 leaves the old file and a leftover.
      await writeFile(temporaryPath, text, { mode: 0o600 });
      await this.#files.syncFile(temporaryPath);
      // 2. The name, then its durability. CRASH: retention-2 leaves the old file or the new one, as a whole.
      await this.#files.rename(temporaryPath, path);
      await this.#files.syncDirectory(this.#directory);
      await this.#files.syncDirectory(this.#dataDirectory);
    } catch (error) {
      throw unavailable(path, "written", error);
    }
  }
}

function clockName(worker: number): string {
  return `clock-worker-${worker}`;
}

function unavailable(path: string, verb: string, cause: unknown): ServerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ServerError(
    "SERVER_RETENTION_UNAVAILABLE",
    `${path} cannot be ${verb}, so nothing is deleted by age: ${reason}`,
    { details: { path }, cause },
  );
}
