/**
 * The identities of one shard: those that its log holds, and those that are kept beyond it.
 *
 * Before the cursor of the log releases records, {@link ShardKeys.guard} has their identities saved (key-log.ts).
 */
import type { AckCursor } from "../flush-cursor.ts";
import { openKeyLog, type KeyLog, type KeyLogOptions } from "./key-log.ts";
import type { WriteIdentity } from "./write-identity.ts";

/** Opens the identities of a shard and reads what was kept beyond the log. */
export async function openShardKeys(options: KeyLogOptions): Promise<ShardKeys> {
  const { log, identities } = await openKeyLog(options);
  return new ShardKeys(options, log, identities);
}

/** The identities of one shard. */
export class ShardKeys {
  readonly #options: KeyLogOptions;
  readonly #log: KeyLog;
  /** Found by recovery; see {@link takeRecovered}. */
  #recovered: WriteIdentity[];

  /** @internal use {@link openShardKeys} */
  constructor(options: KeyLogOptions, log: KeyLog, kept: readonly WriteIdentity[]) {
    this.#options = options;
    this.#log = log;
    this.#recovered = [...kept];
  }

  /** The cursor of the shard's log, which from now on moves only after identities have been saved. */
  guard(cursor: AckCursor): AckCursor {
    const log = this.#log;
    return {
      get lsn() {
        return cursor.lsn;
      },
      async ack(lsn) {
        await log.saveThrough(lsn);
        await cursor.ack(lsn);
      },
    };
  }

  /** Recovery found this identity in the shard's log. Called in the order of LSNs. */
  recover(lsn: number, identity: WriteIdentity): void {
    if (identity.acceptedAtMs < this.#options.nowMs() - this.#options.windowMs) return;
    this.#log.remember(lsn, identity);
    this.#recovered.push(identity);
  }

  /** Everything that recovery found, for the ledger; it is given out once. */
  takeRecovered(): readonly WriteIdentity[] {
    return this.#recovered.splice(0);
  }

  /** The shard's log holds this identity. Called in the order of LSNs, in the same step as the insert. */
  stored(lsn: number, identity: WriteIdentity): void {
    this.#log.remember(lsn, identity);
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}
