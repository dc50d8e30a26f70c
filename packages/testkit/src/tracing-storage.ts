/**
 * A storage that writes one line for each call: what was asked and what came of it.
 *
 * The lines are the transcript that tests compare and that a replayed failure prints. A line appears when
 * the call is answered: `write /log/1.wal 0+512`, `size /log/1.wal = 4096`, `syncData /log/1.wal ! EIO`.
 */

import type { Storage } from "@walnut/wal";

import { formatStorageCall, type StorageCall } from "./storage-call.ts";
import { WrappedStorage } from "./storage-wrapper.ts";

/** Traces another storage. */
export class TracingStorage extends WrappedStorage {
  /** @param sink - receives each line, without a line break */
  constructor(inner: Storage, sink: (line: string) => void) {
    super(inner, {
      async intercept<T>(call: StorageCall, proceed: () => Promise<T>): Promise<T> {
        const line = formatStorageCall(call);
        try {
          const result = await proceed();
          sink(line + formatResult(result));
          return result;
        } catch (error) {
          sink(`${line} ! ${codeOf(error)}`);
          throw error;
        }
      },
    });
  }
}

function formatResult(result: unknown): string {
  if (typeof result === "number") return ` = ${result}`;
  if (Array.isArray(result)) return ` = [${result.map(String).toSorted().join(" ")}]`;
  if (typeof result === "object" && result !== null && "kind" in result) {
    return ` = ${String(result.kind)}`;
  }
  return "";
}

function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error) return String(error.code);
  return String(error);
}
