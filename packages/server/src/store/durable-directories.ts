/**
 * Directories that survive a power loss: created, and recorded durably in their parents.
 *
 * Existing is not enough. A directory may have been made by a flush that has not synced its parent yet, or
 * by a process that died before it did; a file committed inside it would vanish with it. So every directory
 * is synced into its parent once in the life of this object, and everybody who needs it waits for that.
 */
import { realpath } from "node:fs/promises";
import * as path from "node:path";
import type { StoreFileSystem } from "./store-file-system.ts";

/** Paths remembered before the memory is emptied: one entry per table and hour otherwise, for ever. */
const MAX_REMEMBERED_PATHS = 20_000;

/** Remembers which directories below a root are durable. */
export class DurableDirectories {
  readonly #files: StoreFileSystem;
  readonly #root: string;
  readonly #ready = new Map<string, Promise<void>>();

  /** @param root - absolute path of a directory that is durable already */
  constructor(files: StoreFileSystem, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /**
   * Creates `relativePath` below the root, with its missing parents, each of them durable.
   *
   * @returns the absolute path
   */
  async ensure(relativePath: string): Promise<string> {
    let parent = this.#root;
    for (const part of relativePath.split("/")) {
      const directory = `${parent}/${part}`;
      await this.#ensureIn(parent, directory);
      parent = directory;
    }
    return parent;
  }

  /** Forgets everything: called after a failure that may mean somebody removed directories. */
  forget(): void {
    this.#ready.clear();
  }

  async #ensureIn(parent: string, directory: string): Promise<void> {
    let ready = this.#ready.get(directory);
    if (ready === undefined) {
      if (this.#ready.size >= MAX_REMEMBERED_PATHS) this.#ready.clear();
      ready = this.#create(parent, directory);
      this.#ready.set(directory, ready);
    }
    try {
      await ready;
    } catch (error) {
      if (this.#ready.get(directory) === ready) this.#ready.delete(directory);
      throw error;
    }
  }

  async #create(parent: string, directory: string): Promise<void> {
    await this.#files.makeDirectory(directory);
    await this.#files.syncDirectory(parent);
  }
}

/**
 * Makes the Parquet root in a data directory, durably.
 *
 * @returns its absolute path as the SQL engine will see it: links resolved, with slashes
 */
export async function prepareRoot(files: StoreFileSystem, directory: string): Promise<string> {
  await files.makeDirectory(directory);
  const root = path.join(await realpath(directory), "parquet");
  await files.makeDirectory(root);
  await files.syncDirectory(path.dirname(root));
  return root.replaceAll(path.sep, "/");
}
