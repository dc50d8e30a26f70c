/**
 * The calls of a simulated disk on their way to their effect: numbering, order, misuse, and the end of it all.
 *
 * A call is in flight from the moment it is made until a scheduler lets it take effect; its effect and its
 * answer are one step. When the disk dies, every call in flight is refused, and so is every later one; the
 * set of calls in flight stays as it was, for the crash to decide about. Knows nothing of files.
 */

import type { CallScheduler } from "./call-scheduler.ts";
import type { InFlightCall } from "./in-flight-call.ts";
import { changedSince, overlapsWith } from "./misuse.ts";
import type { SimulatedFile } from "./simulated-file.ts";
import { concatBuffers } from "./simulated-handle.ts";
import { StorageError, type StorageCall } from "./storage-call.ts";

/** One call that takes effect now. */
export interface DiskEvent {
  readonly number: number;
  readonly call: StorageCall;
}

interface Submitted extends InFlightCall {
  readonly reject: (error: unknown) => void;
}

/** Calls in flight, and how they take effect. */
export class CallQueue {
  readonly violations: string[] = [];
  onEvent: ((event: DiskEvent) => void) | undefined;
  /** The event before which the disk dies, counted from 1. */
  crashEvent: number = Number.POSITIVE_INFINITY;
  readonly #scheduler: CallScheduler;
  readonly #inFlight = new Set<Submitted>();
  #events = 0;
  #made = 0;
  #isDead = false;

  constructor(scheduler: CallScheduler) {
    this.#scheduler = scheduler;
  }

  /** How many calls have taken effect. */
  get events(): number {
    return this.#events;
  }

  /** Calls that were made and have not taken effect, in the order in which they were made. */
  get inFlight(): ReadonlySet<InFlightCall> {
    return this.#inFlight;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Makes a call; `effect` runs when the scheduler says so, and its result is the answer. */
  submit<T>(
    call: StorageCall,
    effect: (call: StorageCall) => T,
    parts: { readonly file?: SimulatedFile; readonly buffers?: readonly Uint8Array[] } = {},
  ): Promise<T> {
    if (this.#isDead) return Promise.reject(crashedError(call));
    return new Promise<T>((resolve, reject) => {
      this.#made += 1;
      const bytes = parts.buffers === undefined ? undefined : concatBuffers(parts.buffers);
      const entry: Submitted = { call, callNumber: this.#made, file: parts.file, bytes, reject };
      if (bytes !== undefined) this.violations.push(...overlapsWith(entry, this.#inFlight));
      this.#inFlight.add(entry);
      this.#scheduler.schedule(() => {
        if (!this.#isNext()) return;
        this.onEvent?.({ number: this.#events, call });
        this.violations.push(...changedSince(entry, parts.buffers ?? []));
        this.#inFlight.delete(entry);
        try {
          resolve(effect(call));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Refuses everything from now on. */
  die(): void {
    this.#isDead = true;
    for (const entry of this.#inFlight) entry.reject(crashedError(entry.call));
  }

  /** Counts the event, unless the disk is dead or dies now. */
  #isNext(): boolean {
    if (!this.#isDead && this.#events + 1 >= this.crashEvent) this.die();
    if (this.#isDead) return false;
    this.#events += 1;
    return true;
  }
}

/** What every call on a dead disk gets. */
export function crashedError(call: StorageCall): StorageError {
  return new StorageError("ECRASHED", call, "the simulated machine is off");
}
