/**
 * Requests that the upstream will not take, kept with its answer until somebody has looked: read, sent again, or thrown away.
 *
 * A log of its own. A letter is a record of kind 0, the removal of one a record of kind 1; a cursor stands before the oldest letter.
 * Heads are in memory, bodies on disk.
 */
import {
  openWalWith,
  type CapacityGroup,
  type Cursor,
  type Wal,
  type WalEnvironment,
} from "@walnut/wal";
import { SpoolError } from "../errors.ts";
import type { ItemAttributes } from "../item-record.ts";
import { settleCursor } from "../spool-category.ts";
import type { UpstreamRequest } from "./upstream.ts";

/** Everything about a letter but its body. */
export interface DeadLetterHead {
  readonly category: string;
  readonly key: string;
  readonly attributes: ItemAttributes;
  readonly items: number;
  readonly bytes: number;
  /** What the upstream answered. */
  readonly status: number;
  readonly answer: string;
  /** Wall clock when the upstream refused it, in milliseconds since 1970. */
  readonly refusedAtMs: number;
}

/** A letter with its number. */
export interface DeadLetter extends DeadLetterHead {
  readonly id: number;
}

export interface DeadLettersOptions {
  readonly directory: string;
  readonly maxBytes: number;
  readonly segmentSizeBytes: number;
  readonly group: CapacityGroup;
}

const LETTER = 0;
const REMOVAL = 1;
const CURSOR = "kept";
const BUFFER_BYTES = 64 * 1024;
const HEAD_LENGTH_BYTES = 4;
const MAX_LETTER_BYTES = 256 * 1024 * 1024 - 1;
/** Characters that are kept of an answer that leaves the body no room. */
const SHORT_ANSWER_LENGTH = 512;

/** Opens the letters of a spool. */
export async function openDeadLetters(
  environment: WalEnvironment,
  options: DeadLettersOptions,
): Promise<DeadLetters> {
  const maxRecordBytes = Math.min(options.maxBytes, MAX_LETTER_BYTES);
  const wal = await openWalWith(environment, {
    directory: options.directory,
    segmentSizeBytes: options.segmentSizeBytes,
    prewriteBytes: 0,
    bufferSizeBytes: BUFFER_BYTES,
    maxRecordBytes,
    maxLogBytes: options.maxBytes,
    capacityGroup: options.group,
    guaranteedBytes: options.maxBytes,
  });
  try {
    const letters = new Map<number, DeadLetter>();
    const from = Math.max(wal.cursor(CURSOR).lsn + 1, wal.positions.firstLsn);
    for await (const { lsn, kind, payload } of wal.read({ from })) {
      if (kind === REMOVAL) letters.delete(Number(new TextDecoder().decode(payload)));
      else letters.set(lsn, { id: lsn, ...decodeLetter(payload).head });
    }
    return new DeadLetters({ wal, maxRecordBytes }, letters);
  } catch (error) {
    await wal.close();
    throw error;
  }
}

/** The letters. */
export class DeadLetters {
  readonly #wal: Wal;
  readonly #maxRecordBytes: number;
  readonly #cursor: Cursor;
  readonly #letters: Map<number, DeadLetter>;
  readonly #keys: Set<string>;
  readonly #counts = new Map<string, number>();

  /** @internal use {@link openDeadLetters} */
  constructor(
    { wal, maxRecordBytes }: { readonly wal: Wal; readonly maxRecordBytes: number },
    letters: Map<number, DeadLetter>,
  ) {
    this.#wal = wal;
    this.#maxRecordBytes = maxRecordBytes;
    this.#cursor = wal.cursor(CURSOR);
    this.#letters = letters;
    this.#keys = new Set([...letters.values()].map(({ key }) => key));
    for (const { category } of letters.values()) this.#count(category, 1);
  }

  get size(): number {
    return this.#letters.size;
  }

  /** How many there are of a category. */
  countOf(category: string): number {
    return this.#counts.get(category) ?? 0;
  }

  /** All heads, oldest first. */
  list(): readonly DeadLetter[] {
    return [...this.#letters.values()];
  }

  /**
   * Keeps a request; durable when it resolves. The same key is kept once, however often a crash repeats the step. An answer that would
   * take the room of the body is cut: the category would wait for ever, with no letter that could make room.
   *
   * @throws {WalError} `WAL_NO_SPACE` when there are as many as may be: the request must not be given up then
   */
  async add(whole: DeadLetterHead, body: Uint8Array): Promise<void> {
    if (this.#keys.has(whole.key)) return;
    let head = whole;
    let record = encodeLetter(head, body);
    if (record.byteLength > this.#maxRecordBytes) {
      head = { ...whole, answer: whole.answer.slice(0, SHORT_ANSWER_LENGTH) };
      record = encodeLetter(head, body);
    }
    // CRASH: dead-1 leaves the letter, and its request not shipped: it is sent again, refused again, and found here.
    const id = await this.#wal.append(record, { kind: LETTER });
    if (this.#letters.size === 0) await settleCursor(this.#cursor);
    this.#letters.set(id, { id, ...head });
    this.#keys.add(head.key);
    this.#count(head.category, 1);
  }

  /**
   * The request of a letter, as it was sent.
   *
   * @throws {SpoolError} `SPOOL_NOT_FOUND`
   */
  async request(id: number): Promise<UpstreamRequest> {
    const letter = this.#find(id);
    for await (const { payload } of this.#wal.read({ from: id, to: id })) {
      const { category, key, attributes } = letter;
      return { category, key, attributes, body: decodeLetter(payload).body };
    }
    throw notFound(id);
  }

  /**
   * Forgets a letter; durable when it resolves.
   *
   * @throws {SpoolError} `SPOOL_NOT_FOUND`
   */
  async remove(id: number): Promise<void> {
    const { key, category } = this.#find(id);
    const isOldest = this.#letters.keys().next().value === id;
    // The oldest goes with the cursor, which also works when there is no room for a record.
    // CRASH: dead-2 leaves the letter or its removal; a letter that was sent again is sent once more at worst, with its key.
    if (!isOldest) {
      await this.#wal.append(new TextEncoder().encode(String(id)), { kind: REMOVAL });
    }
    if (!this.#letters.delete(id)) return; // Removed by somebody else meanwhile.
    this.#keys.delete(key);
    this.#count(category, -1);
    const [oldest] = this.#letters.keys();
    await this.#cursor.ack((oldest ?? this.#wal.positions.appendedLsn + 1) - 1);
  }

  async close(): Promise<void> {
    await this.#wal.close();
  }

  #count(category: string, change: number): void {
    this.#counts.set(category, this.countOf(category) + change);
  }

  #find(id: number): DeadLetter {
    const letter = this.#letters.get(id);
    if (letter === undefined) throw notFound(id);
    return letter;
  }
}

function notFound(id: number): SpoolError {
  return new SpoolError("SPOOL_NOT_FOUND", `there is no dead letter ${id}`, { details: { id } });
}

/** Length of the head, the head as JSON, the body. */
function encodeLetter(head: DeadLetterHead, body: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const record = new Uint8Array(HEAD_LENGTH_BYTES + text.byteLength + body.byteLength);
  new DataView(record.buffer).setUint32(0, text.byteLength, true);
  record.set(text, HEAD_LENGTH_BYTES);
  record.set(body, HEAD_LENGTH_BYTES + text.byteLength);
  return record;
}

function decodeLetter(record: Uint8Array): {
  readonly head: DeadLetterHead;
  readonly body: Uint8Array;
} {
  try {
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    const bodyAt = HEAD_LENGTH_BYTES + view.getUint32(0, true);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(
      record.subarray(HEAD_LENGTH_BYTES, bodyAt),
    );
    // Written by encodeLetter, and under the checksum of its frame.
    return { head: JSON.parse(text) as DeadLetterHead, body: record.subarray(bodyAt) };
  } catch (error) {
    throw new SpoolError("SPOOL_CORRUPT", "the record of a dead letter is damaged", {
      cause: error,
    });
  }
}
