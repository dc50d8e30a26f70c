/**
 * A storage around another one, with one function in between that sees every call.
 *
 * The base of fault injection, tracing and of the deliberately broken storages of the explorer's own tests.
 * Calls that are not interfered with behave exactly as the inner storage's.
 */

import type {
  DirectoryLock,
  DirectoryLockRefusal,
  Storage,
  StorageFile,
  VolumeFacts,
} from "@walnut/wal";

import type { StorageCall } from "./storage-call.ts";

/** What an interceptor can reach besides the call itself. */
export interface InterceptedParts {
  readonly storage: Storage;
  /** The inner handle, for calls on a file. */
  readonly file?: StorageFile;
  /** The bytes of a write. */
  readonly buffers?: readonly Uint8Array[];
}

/** Stands between a caller and the inner storage. Calls `proceed` to let the call through. */
export interface StorageInterceptor {
  intercept<T>(call: StorageCall, proceed: () => Promise<T>, parts: InterceptedParts): Promise<T>;
}

/** A storage whose every call goes through an interceptor. */
export class WrappedStorage implements Storage {
  readonly #inner: Storage;
  readonly #interceptor: StorageInterceptor;

  constructor(inner: Storage, interceptor: StorageInterceptor) {
    this.#inner = inner;
    this.#interceptor = interceptor;
  }

  ensureDirectory(path: string): Promise<void> {
    return this.#through({ kind: "ensureDirectory", path }, () =>
      this.#inner.ensureDirectory(path),
    );
  }

  listDirectory(path: string): Promise<readonly string[]> {
    return this.#through({ kind: "listDirectory", path }, () => this.#inner.listDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#through({ kind: "syncDirectory", path }, () => this.#inner.syncDirectory(path));
  }

  async createFile(path: string): Promise<StorageFile> {
    const file = await this.#through({ kind: "createFile", path }, () =>
      this.#inner.createFile(path),
    );
    return new WrappedFile(this.#inner, file, this.#interceptor);
  }

  async openFile(path: string, mode: "read" | "write"): Promise<StorageFile> {
    const file = await this.#through({ kind: "openFile", path, mode }, () =>
      this.#inner.openFile(path, mode),
    );
    return new WrappedFile(this.#inner, file, this.#interceptor);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#through({ kind: "rename", path: from, to }, () => this.#inner.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#through({ kind: "remove", path }, () => this.#inner.remove(path));
  }

  async lockDirectory(path: string): Promise<DirectoryLock | DirectoryLockRefusal> {
    const lock = await this.#through({ kind: "lockDirectory", path }, () =>
      this.#inner.lockDirectory(path),
    );
    if (lock.kind === "refused") return lock;
    return {
      kind: "held",
      release: () => this.#through({ kind: "releaseLock", path }, () => lock.release()),
    };
  }

  describeVolume(path: string): Promise<VolumeFacts> {
    return this.#through({ kind: "describeVolume", path }, () => this.#inner.describeVolume(path));
  }

  #through<T>(call: StorageCall, proceed: () => Promise<T>): Promise<T> {
    return this.#interceptor.intercept(call, proceed, { storage: this.#inner });
  }
}

class WrappedFile implements StorageFile {
  readonly path: string;
  readonly #storage: Storage;
  readonly #inner: StorageFile;
  readonly #interceptor: StorageInterceptor;

  constructor(storage: Storage, inner: StorageFile, interceptor: StorageInterceptor) {
    this.path = inner.path;
    this.#storage = storage;
    this.#inner = inner;
    this.#interceptor = interceptor;
  }

  size(): Promise<number> {
    return this.#through({ kind: "size", path: this.path }, () => this.#inner.size());
  }

  read(target: Uint8Array, targetOffset: number, length: number, offset: number): Promise<number> {
    const call: StorageCall = {
      kind: "read",
      path: this.path,
      offsetBytes: offset,
      lengthBytes: length,
    };
    return this.#through(call, () => this.#inner.read(target, targetOffset, length, offset));
  }

  write(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.#write("write", buffers, offset, () => this.#inner.write(buffers, offset));
  }

  writeDurable(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.#write("writeDurable", buffers, offset, () =>
      this.#inner.writeDurable(buffers, offset),
    );
  }

  syncData(): Promise<void> {
    return this.#through({ kind: "syncData", path: this.path }, () => this.#inner.syncData());
  }

  syncAll(): Promise<void> {
    return this.#through({ kind: "syncAll", path: this.path }, () => this.#inner.syncAll());
  }

  truncate(lengthBytes: number): Promise<void> {
    return this.#through({ kind: "truncate", path: this.path, lengthBytes }, () =>
      this.#inner.truncate(lengthBytes),
    );
  }

  close(): Promise<void> {
    return this.#through({ kind: "close", path: this.path }, () => this.#inner.close());
  }

  #write(
    kind: "write" | "writeDurable",
    buffers: readonly Uint8Array[],
    offset: number,
    proceed: () => Promise<void>,
  ): Promise<void> {
    const lengthBytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    const call: StorageCall = { kind, path: this.path, offsetBytes: offset, lengthBytes };
    const parts = { storage: this.#storage, file: this.#inner, buffers };
    return this.#interceptor.intercept(call, proceed, parts);
  }

  #through<T>(call: StorageCall, proceed: () => Promise<T>): Promise<T> {
    const parts = { storage: this.#storage, file: this.#inner };
    return this.#interceptor.intercept(call, proceed, parts);
  }
}
