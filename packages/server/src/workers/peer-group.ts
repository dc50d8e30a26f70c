/**
 * The workers of a server as one of several: questions go to all of them, and queries read all their shards.
 *
 * A question is asked once: a worker that is not there is told so at once. A query waits for it, because an answer
 * without its rows would be wrong and it usually is back soon; after a limit it fails and says which shard is
 * missing. It is never answered without.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ServerError } from "../errors.ts";
import type { ShardSnapshot } from "../store/shard-snapshot.ts";
import type { TableName } from "../store/table-name.ts";
import { PeerClient, PeerGone } from "./peer-client.ts";
import { workerUnavailable } from "./peer-error.ts";
import { shardsOfWorker } from "./shard.ts";
import {
  AnswerBook,
  answerOf,
  type AskOptions,
  type Question,
  type WorkerAnswer,
  type WorkerGroup,
} from "./worker-group.ts";

/** How long a query waits for a worker that is not there, in milliseconds. */
const WORKER_WAIT_MS = 10_000;
const POLL_MS = 50;
const DEFAULT_ASK_TIMEOUT_MS = 10_000;

/** What a group needs to know. */
export interface PeerGroupOptions {
  readonly worker: number;
  readonly workers: number;
  /** Shards that the data directory has. */
  readonly existingShards: readonly number[];
  readonly socketDirectory: string;
  /** Bytes of rows that a query takes from other workers. */
  readonly maxSnapshotBytes: number;
  readonly monotonicMs: () => number;
}

/** Path of a worker's socket file. Short: the system takes about 100 bytes. */
export function socketPathOf(directory: string, worker: number): string {
  return join(directory, `w${worker}`);
}

/** One worker's view of all. */
export class PeerGroup implements WorkerGroup {
  readonly worker: number;
  readonly workers: number;
  /** What this worker answers; its listener needs it. */
  readonly answers: AnswerBook = new AnswerBook();
  readonly #options: PeerGroupOptions;
  readonly #clients: readonly PeerClient[];

  constructor(options: PeerGroupOptions) {
    this.worker = options.worker;
    this.workers = options.workers;
    this.#options = options;
    this.#clients = Array.from(
      { length: options.workers },
      (_, index) => new PeerClient(socketPathOf(options.socketDirectory, index + 1)),
    );
  }

  answer<Input, Answer>(
    question: Question<Input, Answer>,
    give: (input: Input) => Answer | Promise<Answer>,
  ): void {
    this.answers.add(question, give);
  }

  async askAll<Input, Answer>(
    question: Question<Input, Answer>,
    input: Input,
    { timeoutMs = DEFAULT_ASK_TIMEOUT_MS }: AskOptions = {},
  ): Promise<readonly WorkerAnswer<Answer>[]> {
    const { name } = question;
    return await Promise.all(
      this.#clients.map((client, index) => {
        const worker = index + 1;
        return answerOf<Answer>(worker, async () => {
          if (worker === this.worker) return await this.answers.give(name, input);
          return await this.#ask(worker, { client, name, input, timeoutMs });
        });
      }),
    );
  }

  /**
   * The named tables in the shards of all other workers.
   *
   * @throws {ServerError} `SERVER_WORKER_UNAVAILABLE` naming the shard of a worker that did not come back in time
   */
  async readOthers(
    names: readonly TableName[],
    signal: AbortSignal,
  ): Promise<readonly ShardSnapshot[]> {
    const maxBytes = this.#options.maxSnapshotBytes / Math.max(1, this.workers - 1);
    const parts = await Promise.all(
      this.#clients.flatMap((client, index) => {
        const worker = index + 1;
        if (worker === this.worker) return [];
        const read = (): Promise<readonly ShardSnapshot[]> =>
          client.snapshots(names, { maxBytes, signal });
        return [this.#whenThere(worker, read)];
      }),
    );
    return parts.flat();
  }

  async #ask(
    worker: number,
    question: {
      readonly client: PeerClient;
      readonly name: string;
      readonly input: unknown;
      readonly timeoutMs: number;
    },
  ): Promise<unknown> {
    const { client, name, input, timeoutMs } = question;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await client.ask(name, input, signal);
    } catch (error) {
      if (signal.aborted) throw this.#unavailable(worker, `no answer within ${timeoutMs} ms`);
      throw error instanceof PeerGone ? this.#unavailable(worker, "it does not run") : error;
    }
  }

  async #whenThere<T>(worker: number, read: () => Promise<T>): Promise<T> {
    const giveUpAtMs = this.#options.monotonicMs() + WORKER_WAIT_MS;
    for (;;) {
      try {
        return await read();
      } catch (error) {
        const reason = reasonToWait(error);
        if (reason === undefined) throw error;
        if (this.#options.monotonicMs() >= giveUpAtMs) throw this.#unavailable(worker, reason);
        await delay(POLL_MS);
      }
    }
  }

  #unavailable(worker: number, reason: string): ServerError {
    const { workers, existingShards: existing } = this.#options;
    return workerUnavailable(worker, {
      shards: shardsOfWorker(worker, { workers, existing }),
      reason,
    });
  }
}

/** Why it is worth waiting after an error, or `undefined`. */
function reasonToWait(error: unknown): string | undefined {
  if (error instanceof PeerGone) return "it does not run";
  if (error instanceof ServerError && error.code === "SERVER_NOT_READY") return error.message;
  return undefined;
}
