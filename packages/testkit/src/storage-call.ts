/**
 * One call on a storage, as a value: what the simulated disk numbers, the tracer prints and fault rules match.
 */

/** Every operation of `Storage`, `StorageFile` and `DirectoryLock`. */
export type StorageCallKind =
  | "ensureDirectory"
  | "listDirectory"
  | "syncDirectory"
  | "createFile"
  | "openFile"
  | "rename"
  | "remove"
  | "lockDirectory"
  | "releaseLock"
  | "describeVolume"
  | "size"
  | "read"
  | "write"
  | "writeDurable"
  | "syncData"
  | "syncAll"
  | "truncate"
  | "close";

/** All kinds, for tests that go through them. */
export const STORAGE_CALL_KINDS: readonly StorageCallKind[] = [
  "ensureDirectory",
  "listDirectory",
  "syncDirectory",
  "createFile",
  "openFile",
  "rename",
  "remove",
  "lockDirectory",
  "releaseLock",
  "describeVolume",
  "size",
  "read",
  "write",
  "writeDurable",
  "syncData",
  "syncAll",
  "truncate",
  "close",
];

/** What was asked of a storage. */
export interface StorageCall {
  readonly kind: StorageCallKind;
  readonly path: string;
  /** New name, for `rename`. */
  readonly to?: string;
  /** For `openFile`. */
  readonly mode?: "read" | "write";
  /** For `read`, `write` and `writeDurable`. */
  readonly offsetBytes?: number;
  /** Bytes asked for or handed over; the new length for `truncate`. */
  readonly lengthBytes?: number;
}

/** One line for people: `write /log/1.wal 512+100`. */
export function formatStorageCall(call: StorageCall): string {
  const parts: string[] = [call.kind, call.path];
  if (call.to !== undefined) parts.push("->", call.to);
  if (call.mode !== undefined) parts.push(call.mode);
  if (call.offsetBytes !== undefined) parts.push(`${call.offsetBytes}+${call.lengthBytes ?? 0}`);
  else if (call.lengthBytes !== undefined) parts.push(String(call.lengthBytes));
  return parts.join(" ");
}

/** An error as the operating system's: `code`, `syscall` and `path` as `node:fs` sets them. */
export class StorageError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path: string;

  constructor(code: string, call: Pick<StorageCall, "kind" | "path">, reason = "simulated") {
    // A stack would end in the scheduler, as the real one ends in libuv, and most of these are an expected
    // "not there": not taking it is a twentieth of a crash exploration.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(`${code}: ${reason}, ${call.kind} '${call.path}'`);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "StorageError";
    this.code = code;
    this.syscall = call.kind;
    this.path = call.path;
  }
}
