/**
 * Calls and answers over messages between the primary and a worker, in order, each answered once.
 *
 * The one who calls waits until the other side has answered or the channel has gone; there is no time limit of
 * its own, since both processes are children of one start and the end of either closes the channel.
 */
import { fromPeerError, toPeerError, type PeerError } from "./peer-error.ts";

/** A call on its way. */
export interface CallMessage {
  readonly kind: "call";
  readonly id: number;
  readonly name: string;
  readonly input: unknown;
}

/** What came of a call. */
export type ReplyMessage = { readonly kind: "reply"; readonly id: number } & (
  | { readonly value: unknown }
  | { readonly error: PeerError }
);

interface Waiter {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The calling end. */
export class CallChannel {
  readonly #send: (message: CallMessage) => void;
  readonly #waiters = new Map<number, Waiter>();
  #nextId = 1;
  #closedBy: Error | undefined;

  constructor(send: (message: CallMessage) => void) {
    this.#send = send;
  }

  async call(name: string, input: unknown): Promise<unknown> {
    if (this.#closedBy !== undefined) throw this.#closedBy;
    const id = this.#nextId++;
    return await new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      this.#send({ kind: "call", id, name, input });
    });
  }

  /** Takes the reply to a call. */
  receive(message: ReplyMessage): void {
    const waiter = this.#waiters.get(message.id);
    this.#waiters.delete(message.id);
    if ("error" in message) waiter?.reject(fromPeerError(message.error));
    else waiter?.resolve(message.value);
  }

  /** The other side is gone: every call under way, and every later one, fails with this. */
  close(reason: Error): void {
    this.#closedBy = reason;
    for (const waiter of this.#waiters.values()) waiter.reject(reason);
    this.#waiters.clear();
  }
}

/** The answering end: runs a call and makes its reply. Never rejects. */
export async function replyTo(
  { id, name, input }: CallMessage,
  answer: (name: string, input: unknown) => unknown,
): Promise<ReplyMessage> {
  try {
    return { kind: "reply", id, value: await answer(name, input) };
  } catch (error) {
    return { kind: "reply", id, error: toPeerError(error) };
  }
}
