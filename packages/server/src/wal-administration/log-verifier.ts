/**
 * Verifies the logs of a worker beside their writers, one after the other and one call at a time: reading a whole log
 * takes the disk from those who write.
 */
import { verifyLog, type LogVerification } from "@walnut/wal";
import { ServerError } from "../errors.ts";

/** A log that was verified. */
export interface ShardVerification {
  readonly shard: number;
  readonly durationMs: number;
  readonly verification: LogVerification;
}

/** Where a log is. */
export interface ShardLogDirectory {
  readonly shard: number;
  readonly directory: string;
}

export class LogVerifier {
  readonly #monotonicMs: () => number;
  #isRunning = false;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Reads every byte of the logs. Takes no lock and writes nothing.
   *
   * @throws {ServerError} `SERVER_OVERLOADED` while another call is under way; the errors of the log
   */
  async verify(logs: readonly ShardLogDirectory[]): Promise<readonly ShardVerification[]> {
    if (this.#isRunning) {
      throw new ServerError(
        "SERVER_OVERLOADED",
        "the log is being verified already; ask again when that has ended",
      );
    }
    this.#isRunning = true;
    try {
      const results: ShardVerification[] = [];
      for (const { shard, directory } of logs) {
        const startedMs = this.#monotonicMs();
        const verification = await verifyLog({ directory });
        results.push({ shard, durationMs: this.#monotonicMs() - startedMs, verification });
      }
      return results;
    } finally {
      this.#isRunning = false;
    }
  }
}
