/**
 * One open file of a simulated disk: turns the calls of `StorageFile` into events of the disk.
 *
 * Checks what the operating system would check (closed handles, read-only handles, room on the device) and
 * leaves what the bytes mean to `simulated-file.ts`.
 */

import type { StorageFile } from "@walnut/wal";

import type { SimulatedFile } from "./simulated-file.ts";
import { normalizePath } from "./simulated-tree.ts";
import { StorageError, type StorageCall } from "./storage-call.ts";

/** What a handle needs of its disk. */
export interface HandleHost {
  /** Makes a call in flight; `effect` runs when it takes effect. */
  submit<T>(
    call: StorageCall,
    effect: (call: StorageCall) => T,
    parts: { readonly file: SimulatedFile; readonly buffers?: readonly Uint8Array[] },
  ): Promise<T>;
  /** The number of a new change. */
  nextSequence(): number;
  /** The number of the newest change. */
  lastSequence(): number;
  /** Something became durable, or will never be. */
  noteSettled(): void;
  /** How far a growth of this file to `endBytes` can go, in bytes. */
  roomFor(file: SimulatedFile, endBytes: number): number;
  forget(handle: SimulatedHandle): void;
}

/** An open file of a simulated disk. */
export class SimulatedHandle implements StorageFile {
  readonly path: string;
  readonly #host: HandleHost;
  readonly #file: SimulatedFile;
  readonly #mode: "read" | "write";
  #isClosed = false;

  constructor(
    host: HandleHost,
    opened: {
      readonly path: string;
      readonly file: SimulatedFile;
      readonly mode: "read" | "write";
    },
  ) {
    this.#host = host;
    this.path = opened.path;
    this.#file = opened.file;
    this.#mode = opened.mode;
  }

  size(): Promise<number> {
    return this.#submit(this.#call("size"), () => this.#file.lengthBytes);
  }

  read(target: Uint8Array, targetOffset: number, length: number, offset: number): Promise<number> {
    assertRange(targetOffset, length);
    assertRange(offset, length);
    if (targetOffset + length > target.byteLength) {
      throw new RangeError(`read of ${length} bytes does not fit into its target`);
    }
    const call = { ...this.#call("read"), offsetBytes: offset, lengthBytes: length };
    return this.#submit(call, () => this.#file.read(target, targetOffset, length, offset));
  }

  write(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.#write("write", buffers, offset, (bytes) =>
      this.#file.write(bytes, offset, this.#host.nextSequence()),
    );
  }

  writeDurable(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.#write("writeDurable", buffers, offset, (bytes) => {
      this.#host.nextSequence();
      this.#file.writeDurable(bytes, offset);
    });
  }

  syncData(): Promise<void> {
    return this.#sync("syncData");
  }

  syncAll(): Promise<void> {
    return this.#sync("syncAll");
  }

  truncate(lengthBytes: number): Promise<void> {
    assertRange(lengthBytes, 0);
    return this.#submit({ ...this.#call("truncate"), lengthBytes }, (call) => {
      this.#assertWritable(call);
      this.#file.truncate(lengthBytes, this.#host.nextSequence());
    });
  }

  close(): Promise<void> {
    const call = this.#call("close");
    return this.#host.submit(
      call,
      () => {
        this.#isClosed = true;
        this.#host.forget(this);
      },
      { file: this.#file },
    );
  }

  /** What a failed sync does: see `simulated-file.ts`. Called by fault injectors. */
  abandonUnsynced(): void {
    this.#file.abandon();
    this.#host.noteSettled();
  }

  #write(
    kind: "write" | "writeDurable",
    buffers: readonly Uint8Array[],
    offset: number,
    apply: (bytes: Uint8Array) => void,
  ): Promise<void> {
    const lengthBytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    assertRange(offset, lengthBytes);
    const call = { ...this.#call(kind), offsetBytes: offset, lengthBytes };
    const effect = (): void => {
      this.#assertWritable(call);
      const bytes = concatBuffers(buffers);
      const endBytes = this.#host.roomFor(this.#file, offset + lengthBytes);
      if (endBytes < offset + lengthBytes) {
        const fits = Math.max(0, endBytes - offset);
        if (fits > 0) this.#file.write(bytes.subarray(0, fits), offset, this.#host.nextSequence());
        throw new StorageError("ENOSPC", call, "no space left on device");
      }
      apply(bytes);
    };
    return this.#submit(call, effect, buffers);
  }

  #sync(kind: "syncData" | "syncAll"): Promise<void> {
    // Only what has taken effect by now is covered; a write that overtakes this sync is not.
    const covered = this.#host.lastSequence();
    return this.#submit(this.#call(kind), () => {
      this.#file.settle(covered);
      this.#host.noteSettled();
    });
  }

  #call(kind: StorageCall["kind"]): StorageCall {
    return { kind, path: normalizePath(this.path) };
  }

  #submit<T>(
    call: StorageCall,
    effect: (call: StorageCall) => T,
    buffers?: readonly Uint8Array[],
  ): Promise<T> {
    if (this.#isClosed) {
      return Promise.reject(new StorageError("EBADF", call, "the handle is closed"));
    }
    const parts = buffers === undefined ? { file: this.#file } : { file: this.#file, buffers };
    return this.#host.submit(call, effect, parts);
  }

  #assertWritable(call: StorageCall): void {
    if (this.#mode === "read") throw new StorageError("EBADF", call, "opened for reading");
  }
}

/** All bytes of several buffers in one new array. */
export function concatBuffers(buffers: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0));
  let offset = 0;
  for (const buffer of buffers) {
    result.set(buffer, offset);
    offset += buffer.byteLength;
  }
  return result;
}

function assertRange(offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) {
    return;
  }
  throw new RangeError(`offset ${offset}, length ${length}`);
}
