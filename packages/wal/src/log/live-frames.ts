/**
 * Frames of a log that is being written: at the end it waits for more instead of ending.
 */
import { isWalError, WalError } from "../errors.ts";
import type { FrameRecords, LogReader } from "./log-reader.ts";
import type { FrameSource } from "./record-iterator.ts";

export interface LiveFramesOptions {
  readonly reader: LogReader;
  readonly signal: AbortSignal | undefined;
  /** Calls back after each change of what is visible, and when the log closes or fails, until unsubscribed. */
  readonly onProgress: (listener: () => void) => () => void;
  /** What ends the wait for good: "closed", or the error that poisoned the log. */
  readonly ended: () => "closed" | Error | undefined;
}

export class LiveFrames implements FrameSource {
  readonly #options: LiveFramesOptions;

  constructor(options: LiveFramesOptions) {
    this.#options = options;
  }

  /** @throws `WAL_ABORTED`; what poisoned the log, once everything visible has been delivered; what the reader throws */
  async next(): Promise<FrameRecords | undefined> {
    const { reader, signal, ended } = this.#options;
    for (;;) {
      if (signal?.aborted === true) throw abortedError(signal);
      // Asked before reading: what becomes visible while the read is under way wakes the wait below.
      const wait = this.#waitForProgress();
      try {
        const frame = await reader.next();
        if (frame !== undefined) return frame;
        const end = ended();
        if (end === "closed") return undefined;
        if (end !== undefined) throw end;
        await wait.promise;
      } finally {
        wait.cancel();
      }
    }
  }

  async close(): Promise<void> {
    await this.#options.reader.close();
  }

  #waitForProgress(): { readonly promise: Promise<void>; cancel(): void } {
    const { signal, onProgress } = this.#options;
    let wake: () => void = () => undefined;
    const promise = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const unsubscribe = onProgress(wake);
    signal?.addEventListener("abort", wake, { once: true });
    return {
      promise,
      cancel: () => {
        unsubscribe();
        signal?.removeEventListener("abort", wake);
      },
    };
  }
}

function abortedError(signal: AbortSignal): WalError {
  const cause: unknown = signal.reason;
  if (isWalError(cause)) return cause;
  return new WalError("WAL_ABORTED", "the reader was stopped by its signal", { cause });
}
