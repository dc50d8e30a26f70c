/**
 * A storage whose n-th call of a kind fails.
 *
 * Faults: the call fails and did nothing; fails although it was carried out (the error came late); a write
 * that wrote a part and then failed; a failed sync, which also leaves the pages clean but not on the device
 * when the inner storage is a simulated disk. Must survive each: everything acknowledged before, a
 * settled answer for every caller, no retry on the same file, no handle left open.
 */

import type { Storage, StorageFile } from "@walnut/wal";

import { concatBuffers } from "./simulated-handle.ts";
import { StorageError, type StorageCall, type StorageCallKind } from "./storage-call.ts";
import {
  WrappedStorage,
  type InterceptedParts,
  type StorageInterceptor,
} from "./storage-wrapper.ts";

/** Which call fails, and how. */
export interface FaultRule {
  /** The kind of call, or "any". */
  readonly kind: StorageCallKind | "any";
  /** The first call that fails, counted from 1 among the calls of this kind (that match `path`). */
  readonly nth: number;
  /** How many calls in a row fail. Default 1; `Infinity` for a device that stays broken. */
  readonly count?: number;
  /** Only calls on paths that match. */
  readonly path?: RegExp;
  /** The error's code: "EIO", "ENOSPC", "EMFILE", … */
  readonly code: string;
  /**
   * "before" (default): nothing happened. "after": it happened, and the answer is an error all the same.
   * "short": a write put down the first half of its bytes, then failed; other calls as "before".
   * Closing a file and releasing a lock always happen.
   */
  readonly effect?: "before" | "after" | "short";
}

/** Injects faults into another storage. */
export class FaultyStorage extends WrappedStorage {
  /** The calls that failed by a rule, in order. */
  readonly fired: readonly StorageCall[];
  /** How many calls of each kind were made. */
  readonly callCounts: ReadonlyMap<StorageCallKind, number>;

  constructor(inner: Storage, rules: readonly FaultRule[]) {
    const injector = new FaultInjector(rules);
    super(inner, injector);
    this.fired = injector.fired;
    this.callCounts = injector.callCounts;
  }
}

class FaultInjector implements StorageInterceptor {
  readonly fired: StorageCall[] = [];
  readonly callCounts = new Map<StorageCallKind, number>();
  readonly #rules: readonly { readonly rule: FaultRule; seen: number }[];

  constructor(rules: readonly FaultRule[]) {
    this.#rules = rules.map((rule) => ({ rule, seen: 0 }));
  }

  async intercept<T>(
    call: StorageCall,
    proceed: () => Promise<T>,
    parts: InterceptedParts,
  ): Promise<T> {
    this.callCounts.set(call.kind, (this.callCounts.get(call.kind) ?? 0) + 1);
    const rule = this.#match(call);
    if (rule === undefined) return await proceed();

    this.fired.push(call);
    const isSync = call.kind === "syncData" || call.kind === "syncAll";
    // The kernel lets go of a descriptor or a lock even when it reports an error.
    const isLetGo = call.kind === "close" || call.kind === "releaseLock";
    if (rule.effect === "after" || isLetGo) {
      const result: unknown = await proceed();
      // The caller gets no handle and no lock, so nobody but us can give them back.
      if (isClosable(result)) await result.close();
      if (isReleasable(result)) await result.release();
    } else if (rule.effect === "short" && parts.buffers !== undefined && parts.file !== undefined) {
      const bytes = concatBuffers(parts.buffers);
      await parts.file.write([bytes.subarray(0, bytes.byteLength >> 1)], call.offsetBytes ?? 0);
    }
    if (isSync && parts.file !== undefined) abandonUnsynced(parts.file);
    throw new StorageError(rule.code, call, "injected fault");
  }

  #match(call: StorageCall): FaultRule | undefined {
    let match: FaultRule | undefined;
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (rule.kind !== "any" && rule.kind !== call.kind) continue;
      if (rule.path !== undefined && !rule.path.test(call.path)) continue;
      entry.seen += 1;
      if (entry.seen >= rule.nth && entry.seen < rule.nth + (rule.count ?? 1)) match ??= rule;
    }
    return match;
  }
}

/** On a simulated disk a failed sync leaves pages clean that are not on the device; elsewhere a no-op. */
function abandonUnsynced(file: StorageFile): void {
  if ("abandonUnsynced" in file && typeof file.abandonUnsynced === "function") {
    file.abandonUnsynced();
  }
}

function isClosable(value: unknown): value is { close(): Promise<void> } {
  return typeof value === "object" && value !== null && "close" in value;
}

function isReleasable(value: unknown): value is { release(): Promise<void> } {
  return typeof value === "object" && value !== null && "release" in value;
}
