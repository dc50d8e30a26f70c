/**
 * A store in memory that notes every change, so that a power loss after any of them can be tried: what was synced is there, what
 * came behind it may be, in order and by whole batches. That is what LevelDB promises of its own log.
 */
import { MemoryLevel } from "memory-level";
import type { LevelIterator, LevelOperation, LevelRange, LevelStore } from "@walnut/raft-log";

const VIEWS = { keyEncoding: "view", valueEncoding: "view" } as const;

type Bounds = Parameters<LevelStore["clear"]>[0];

export type Change =
  | {
      readonly kind: "batch";
      readonly operations: readonly LevelOperation[];
      readonly sync: boolean;
    }
  | { readonly kind: "clear"; readonly bounds: Bounds };

export interface RecordedStoreOptions {
  /** Looks at a batch before it is applied: changes it, or fails it by throwing. */
  readonly before?: (operations: LevelOperation[], count: number) => LevelOperation[];
  /** Takes every `sync` for false, as a store does that does not honour it. */
  readonly ignoresSync?: boolean;
}

export class RecordedStore implements LevelStore {
  readonly #store = new MemoryLevel<Uint8Array, Uint8Array>({ ...VIEWS, storeEncoding: "view" });
  readonly #options: RecordedStoreOptions;
  readonly supports = { implicitSnapshots: true };
  readonly changes: Change[] = [];
  batchCount = 0;

  constructor(options: RecordedStoreOptions = {}) {
    this.#options = options;
  }

  /** A store that a power loss after the first `count` changes could leave. */
  static async from(changes: readonly Change[]): Promise<RecordedStore> {
    const store = new RecordedStore();
    for (const change of changes) {
      if (change.kind === "batch") await store.batch([...change.operations], { sync: change.sync });
      else await store.clear(change.bounds);
    }
    store.changes.length = 0;
    return store;
  }

  /** How many changes are on the device for sure. */
  get syncedCount(): number {
    return this.changes.findLastIndex((change) => change.kind === "batch" && change.sync) + 1;
  }

  async open(): Promise<void> {
    await this.#store.open();
  }

  async close(): Promise<void> {}

  async batch(operations: LevelOperation[], { sync }: { readonly sync: boolean }): Promise<void> {
    this.batchCount++;
    const taken = this.#options.before?.(operations, this.batchCount) ?? operations;
    // Its own turn, as a real store takes: whoever relies on less is found out.
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#store.batch([...taken], VIEWS);
    this.changes.push({
      kind: "batch",
      operations: taken,
      sync: sync && this.#options.ignoresSync !== true,
    });
  }

  iterator(range: LevelRange): LevelIterator {
    return this.#store.iterator(range);
  }

  async clear(bounds: Bounds): Promise<void> {
    await this.#store.clear(bounds);
    this.changes.push({ kind: "clear", bounds });
  }

  /** Number of keys that begin with this letter. */
  async keyCount(letter: "e" | "s"): Promise<number> {
    const keys = await this.#store.keys(VIEWS).all();
    return keys.filter((key) => key[0] === letter.charCodeAt(0)).length;
  }
}
