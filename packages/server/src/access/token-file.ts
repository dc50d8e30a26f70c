/**
 * The file of the tokens: read as a whole, replaced as a whole, by any process on the data directory.
 *
 * Who changes it holds a kernel lock on its directory from reading to writing, so two writers lose nothing; readers take
 * no lock, because a rename shows them the old file or the new one. A missing file is an empty list, any other
 * failure is an error: "no tokens" must never be the reading of a damaged disk.
 */
import { isErrno, joinPath, type DirectoryLock, type Storage, type StorageFile } from "@walnut/wal";
import { ServerError } from "../errors.ts";
import { ifThere } from "../if-there.ts";
import { formatTokenRecords, parseTokenRecords, type TokenRecord } from "./token-record.ts";

/** Directory of the tokens inside the data directory. */
export const TOKENS_DIRECTORY_NAME = "access";
/** The file inside that directory. */
export const TOKENS_FILE_NAME = "tokens.json";

const LOCK_RETRY_MS = 20;
const LOCK_ATTEMPTS = 250; // 5 seconds

/** What a change makes of the tokens, and what its caller gets. */
export interface TokenChange<Result> {
  readonly tokens: readonly TokenRecord[];
  readonly result: Result;
}

/** The stored tokens of one data directory. */
export class TokenFile {
  /** The file; may not exist yet. */
  readonly path: string;
  readonly #storage: Storage;
  readonly #directory: string;

  /** @param dataDirectory - exists */
  constructor(storage: Storage, dataDirectory: string) {
    this.#storage = storage;
    this.#directory = joinPath(dataDirectory, TOKENS_DIRECTORY_NAME);
    this.path = joinPath(this.#directory, TOKENS_FILE_NAME);
  }

  /** @throws {ServerError} `SERVER_TOKENS_UNAVAILABLE` */
  async read(): Promise<readonly TokenRecord[]> {
    let text: string;
    try {
      const file = await this.#storage.openFile(this.path, "read");
      try {
        text = await textOf(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw unavailable(this.path, "read", error);
    }
    return parseTokenRecords(text, this.path);
  }

  /**
   * Changes the tokens; nobody else does between the reading and the writing. Durable when it resolves.
   *
   * @param change - may throw: nothing is written then
   * @throws {ServerError} `SERVER_TOKENS_UNAVAILABLE`, `SERVER_OVERLOADED` when others keep the lock for five seconds
   */
  async change<Result>(
    change: (tokens: readonly TokenRecord[]) => TokenChange<Result>,
  ): Promise<Result> {
    const lock = await this.#lock();
    try {
      const { tokens, result } = change(await this.read());
      await this.#replace(formatTokenRecords(tokens));
      return result;
    } finally {
      await lock.release();
    }
  }

  async #lock(): Promise<DirectoryLock> {
    try {
      await this.#storage.ensureDirectory(this.#directory);
      for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
        const lock = await this.#storage.lockDirectory(this.#directory);
        if (lock.kind === "held") return lock;
        await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
      }
    } catch (error) {
      throw unavailable(this.path, "lock", error);
    }
    throw new ServerError("SERVER_OVERLOADED", "the tokens are being changed by somebody else");
  }

  async #replace(text: string): Promise<void> {
    const temporaryPath = `${this.path}.tmp`;
    try {
      await this.#removeLeftover(temporaryPath);
      // 1. The new list, durable under a name that nobody reads. CRASH: tokens-1 leaves the old list and a
      //    leftover that the next change removes.
      const file = await this.#storage.createFile(temporaryPath);
      try {
        await file.write([Buffer.from(text, "utf8")], 0);
        await file.syncAll();
      } finally {
        await file.close();
      }
      // 2. The name. CRASH: tokens-2 leaves the old list or the new one, as a whole.
      await this.#storage.rename(temporaryPath, this.path);
      // 3. The name is durable. CRASH: tokens-3 leaves the new list.
      await this.#storage.syncDirectory(this.#directory);
    } catch (error) {
      throw unavailable(this.path, "written", error);
    }
  }

  async #removeLeftover(path: string): Promise<void> {
    await ifThere(this.#storage.remove(path));
  }
}

async function textOf(file: StorageFile): Promise<string> {
  const bytes = new Uint8Array(await file.size());
  const length = await file.read(bytes, 0, bytes.byteLength, 0);
  return Buffer.from(bytes.buffer, 0, length).toString("utf8");
}

function unavailable(path: string, verb: "read" | "written" | "lock", cause: unknown): ServerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const text = verb === "lock" ? "cannot be locked" : `could not be ${verb}`;
  return new ServerError("SERVER_TOKENS_UNAVAILABLE", `the tokens in ${path} ${text}: ${reason}`, {
    details: { path, reason },
    cause,
  });
}
