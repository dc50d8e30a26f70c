/** A running server as whoever started it sees it, in one process or several. */
import type { AccessToken } from "./access-token.ts";
import type { RecoverySummary } from "./recovery-summary.ts";
import type { ResolvedServerOptions } from "./server-options.ts";

/** A running server. */
export interface WalnutServer extends AsyncDisposable {
  /** Base URL for clients on this machine, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Absolute path. */
  readonly dataDirectory: string;
  /** False when other machines can reach the port. */
  readonly isLoopback: boolean;
  readonly token: AccessToken;
  readonly options: ResolvedServerOptions;
  /** The durability level and what it survives, in words. Known once {@link ready} has resolved. */
  readonly durabilityText: string;
  /**
   * Resolves when recovery is done and writes and queries are served. Rejects when recovery failed: the
   * server has then closed itself, and nothing in the directory was given up.
   */
  readonly ready: Promise<RecoverySummary>;
  /**
   * Resolves when the server cannot go on by itself and should be closed: a worker process that cannot be started
   * again and again. Never with one worker, where the process itself would end.
   */
  readonly failure: Promise<Error>;
  /** Process ids of the workers that run now; with one worker, of this process. */
  readonly processIds: readonly number[];
  /**
   * Stops: refuses new work, answers requests in flight, flushes every row, closes the log and the port.
   * Idempotent.
   *
   * @throws {ServerError} `SERVER_FLUSH_FAILED`: the log keeps the rows for the next start
   */
  close(): Promise<void>;
}
