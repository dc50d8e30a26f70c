/**
 * What the primary knows of the workers: who runs, since when, how often one was restarted, and why.
 *
 * Told to every worker when it changes, so that whichever worker is asked can answer for all.
 */

/** Where a worker is in its life, as the primary sees it. */
export type WorkerPhase = "recovering" | "ready" | "waiting" | "stopping";

/** One worker. */
export interface WorkerFacts {
  readonly worker: number;
  readonly phase: WorkerPhase;
  /** `undefined` while it does not run. */
  readonly processId: number | undefined;
  /** How often it was started again since the server was. */
  readonly restarts: number;
  /** Of these, in the last minute. */
  readonly recentRestarts: number;
  /** How its last process ended, or why it could not start. */
  readonly lastEnd: string | undefined;
}

/** All workers. */
export interface Supervision {
  /** True once every worker has been ready at the same time or before: the server's recovery is over. */
  readonly hasRecovered: boolean;
  readonly workers: readonly WorkerFacts[];
}

/** Restarts in a minute from which on a worker is said to crash again and again. */
const CRASH_LOOP_RESTARTS = 3;

/** Workers that are not there, or crash again and again, each in a sentence. Empty when all is well. */
export function troubledWorkers({ workers }: Supervision): readonly string[] {
  const sentences: string[] = [];
  for (const { worker, phase, recentRestarts, lastEnd } of workers) {
    const why = lastEnd === undefined ? "" : ` (${lastEnd})`;
    if (recentRestarts >= CRASH_LOOP_RESTARTS) {
      sentences.push(
        `worker ${worker} was started again ${recentRestarts} times in a minute${why}`,
      );
    } else if (phase === "waiting") {
      sentences.push(`worker ${worker} does not run and is about to be started again${why}`);
    } else if (phase === "recovering") {
      sentences.push(`worker ${worker} is recovering its log${why}`);
    }
  }
  return sentences;
}
