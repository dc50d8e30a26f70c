/**
 * A spool: durable queues by category, under one budget. Delegates: storing to spool-category.ts, handing out to item-queue.ts.
 */
import type { CapacityGroup } from "@walnut/wal";
import { Consumer } from "./consumer.ts";
import { SpoolError } from "./errors.ts";
import { ItemQueue } from "./item-queue.ts";
import type { ResolvedSpoolOptions } from "./options.ts";
import type { CategoryStatus, PutOptions, PutResult, SpoolCategory } from "./spool-category.ts";

/** What a spool says about itself. */
export interface SpoolStatus {
  readonly directory: string;
  /** The worst that an item survives whose put has resolved, in words. */
  readonly survives: string;
  readonly warnings: readonly string[];
  /** Bytes of all categories, and what they may come to. */
  readonly sizeBytes: number;
  readonly maxTotalBytes: number;
  readonly reserveFreeBytes: number;
  readonly categories: readonly CategoryStatus[];
}

export interface ConsumeOptions {
  /**
   * Consumers of one group share the items; each group gets all of them. The first consumer of a new group begins with the first item
   * that is there. A group that nobody consumes any more keeps holding space. Default "consumer".
   */
  readonly group?: string | undefined;
}

const DEFAULT_GROUP = "consumer";

/** What the composition root hands over. */
export interface SpoolParts {
  readonly options: ResolvedSpoolOptions;
  readonly group: CapacityGroup;
  readonly categories: ReadonlyMap<string, SpoolCategory>;
}

/** A spool that is open. Made by `openSpool`. */
export class Spool {
  readonly #parts: SpoolParts;
  readonly #queues = new Map<string, ItemQueue>();
  #closing: Promise<void> | undefined;

  /** @internal use `openSpool` */
  constructor(parts: SpoolParts) {
    this.#parts = parts;
  }

  /**
   * Stores one item and resolves when it is as safe as the category's level says. If the process dies before that, the item is
   * there or not after a restart; never a part of it. Items of one category keep the order of the calls.
   *
   * @param payload - copied before this method returns
   * @throws {SpoolError} `SPOOL_UNKNOWN_CATEGORY`, `SPOOL_ITEM_TOO_LARGE`, `SPOOL_CLOSED`; {@link WalError} `WAL_NO_SPACE`,
   *   `WAL_RECORD_TOO_LARGE`, `WAL_OVERLOADED`, `WAL_POISONED`, `WAL_CLOSED`
   */
  async put(category: string, payload: Uint8Array, options?: PutOptions): Promise<PutResult> {
    return await this.category(category).put(payload, options);
  }

  /**
   * A consumer of a category. Each item goes to one consumer of the group at a time, in order, and again to another when it is given up.
   *
   * @throws {SpoolError} `SPOOL_UNKNOWN_CATEGORY`, `SPOOL_CLOSED`
   */
  consume(category: string, options: ConsumeOptions = {}): Consumer {
    const { group = DEFAULT_GROUP } = options;
    const key = `${category}/${group}`;
    const queue = this.#queues.get(key) ?? new ItemQueue(this.category(category), group);
    this.#queues.set(key, queue);
    return new Consumer(queue);
  }

  /**
   * A category by its name.
   *
   * @throws {SpoolError} `SPOOL_UNKNOWN_CATEGORY`, `SPOOL_CLOSED`
   */
  category(name: string): SpoolCategory {
    const { options, categories } = this.#parts;
    if (this.#closing !== undefined) {
      throw new SpoolError("SPOOL_CLOSED", `the spool ${options.directory} is closed`, {
        details: { path: options.directory },
      });
    }
    const found = categories.get(name);
    if (found !== undefined) return found;
    throw new SpoolError(
      "SPOOL_UNKNOWN_CATEGORY",
      `there is no category "${name}"; there are: ${[...categories.keys()].join(", ")}`,
      { details: { category: name } },
    );
  }

  /** @internal What the spool was opened with. */
  get options(): ResolvedSpoolOptions {
    return this.#parts.options;
  }

  /** @internal The budget of all categories. */
  get group(): CapacityGroup {
    return this.#parts.group;
  }

  /** Names of all categories, in the order of the options. */
  get categoryNames(): readonly string[] {
    return [...this.#parts.categories.keys()];
  }

  status(): SpoolStatus {
    const { options, group } = this.#parts;
    const categories = [...this.#parts.categories.values()].map((each) => each.status());
    return {
      directory: options.directory,
      survives: [...new Set(categories.map(({ survives }) => survives))].join("; "),
      warnings: [...new Set(categories.flatMap(({ warnings }) => warnings))],
      sizeBytes: group.usedBytes,
      maxTotalBytes: options.maxTotalBytes,
      reserveFreeBytes: options.reserveFreeBytes,
      categories,
    };
  }

  /** What was put is written and synced; consumers end. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#closeOnce();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #closeOnce(): Promise<void> {
    for (const queue of this.#queues.values()) await queue.close();
    const closed = await Promise.allSettled(
      [...this.#parts.categories.values()].map((category) => category.close()),
    );
    for (const result of closed) if (result.status === "rejected") throw result.reason;
  }
}
