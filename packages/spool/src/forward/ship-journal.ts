/**
 * What is under way upstream, durably: for each category up to where it is shipped, and which items are in the request being sent.
 *
 * A request whose answer was lost must be sent again with the same items, or the upstream cannot know it. So before a request is sent
 * for the first time its range is written here, and a restart begins with exactly that range. One small log for all categories: one
 * sync serves whoever claims at the same time. The last record of a category counts; now and then all are written anew and what is
 * before them goes.
 */
import { openWalWith, type Wal, type WalEnvironment } from "@walnut/wal";
import { SpoolError } from "../errors.ts";

/** Items from the first to the last, by LSN. */
export interface ItemRange {
  readonly firstLsn: number;
  readonly lastLsn: number;
}

/** Where the shipping of a category stands. */
export interface ShipState {
  /** Who sends: part of every key. A new one is made with the category's log. */
  readonly producer: string;
  /** Everything up to here is stored upstream, or is a dead letter. */
  readonly shippedLsn: number;
  /** What is being sent, or was when the process ended. */
  readonly claim: ItemRange | undefined;
}

const SEGMENT_BYTES = 64 * 1024;
const PREWRITE_BYTES = 16 * 1024;
const BUFFER_BYTES = 64 * 1024;
const RECORDS_BEFORE_RENEWAL = 400;
const PRODUCER_BYTES = 8;

/** Opens the journal of a spool and reads where each category stands. */
export async function openShipJournal(
  environment: WalEnvironment,
  directory: string,
): Promise<ShipJournal> {
  const wal = await openWalWith(environment, {
    directory,
    durability: "fdatasync",
    segmentSizeBytes: SEGMENT_BYTES,
    prewriteBytes: PREWRITE_BYTES,
    bufferSizeBytes: BUFFER_BYTES,
  });
  try {
    const states = new Map<string, ShipState>();
    for await (const { payload } of wal.read()) {
      const { category, ...state } = decodeState(payload);
      states.set(category, state);
    }
    return new ShipJournal(environment, { wal, states });
  } catch (error) {
    await wal.close();
    throw error;
  }
}

/** The journal, open. */
export class ShipJournal {
  readonly #environment: WalEnvironment;
  readonly #wal: Wal;
  readonly #states: Map<string, ShipState>;
  #recordsSinceRenewal = RECORDS_BEFORE_RENEWAL;
  #renewing: Promise<void> | undefined;

  /** @internal use {@link openShipJournal} */
  constructor(
    environment: WalEnvironment,
    parts: { readonly wal: Wal; readonly states: Map<string, ShipState> },
  ) {
    this.#environment = environment;
    this.#wal = parts.wal;
    this.#states = parts.states;
  }

  /**
   * Where a category stands. A log that ends before what was sent is not the log it was sent from: it was removed and made anew, and its
   * numbers begin again, under another producer.
   *
   * @param lastLsn - of the category's log
   */
  stateOf(category: string, lastLsn: number): ShipState {
    const known = this.#states.get(category);
    const sentLsn = Math.max(known?.shippedLsn ?? 0, known?.claim?.lastLsn ?? 0);
    if (known !== undefined && sentLsn <= lastLsn) return known;
    const random = this.#environment.randomBytes(PRODUCER_BYTES);
    const producer = Buffer.from(random).toString("hex");
    const state: ShipState = { producer, shippedLsn: 0, claim: undefined };
    this.#states.set(category, state);
    return state;
  }

  /** These items, and no others, are in the next request. Durable when it resolves; a later claim replaces it. */
  async claim(category: string, range: ItemRange): Promise<void> {
    // CRASH: ship-1 leaves a claim whose request was not sent: it is sent after the restart.
    await this.#note(category, { claim: range });
  }

  /** Everything up to here is taken care of, and nothing is under way. */
  async shipped(category: string, shippedLsn: number): Promise<void> {
    // CRASH: ship-3 leaves the request known as shipped, though its items may be there until the cursor moves.
    await this.#note(category, { shippedLsn, claim: undefined });
  }

  async close(): Promise<void> {
    await this.#renewing;
    await this.#wal.close();
  }

  async #note(category: string, change: Partial<ShipState>): Promise<void> {
    const before = this.#states.get(category);
    if (before === undefined) throw new RangeError(`no state of ${category}`);
    const state = { ...before, ...change };
    this.#states.set(category, state);
    this.#recordsSinceRenewal += 1;
    const isNoted = this.#wal.append(encodeState(category, state));
    if (this.#recordsSinceRenewal >= RECORDS_BEFORE_RENEWAL) this.#renew();
    await isNoted;
  }

  /** Records follow each other in the order of the changes, so what is written anew here is what counts from here on. */
  #renew(): void {
    if (this.#renewing !== undefined) return;
    this.#recordsSinceRenewal = 0;
    const records = [...this.#states].map(([category, state]) => encodeState(category, state));
    const renewal = async (): Promise<void> => {
      try {
        const { firstLsn } = await this.#wal.appendBatch(records);
        await this.#wal.truncateFront(firstLsn);
      } catch {
        // Without it the journal is longer, and as good; a log that has failed says so to the next claim.
      }
      this.#renewing = undefined;
    };
    this.#renewing = renewal();
  }
}

function encodeState(category: string, { producer, shippedLsn, claim }: ShipState): Uint8Array {
  const range = claim === undefined ? [] : [claim.firstLsn, claim.lastLsn];
  return new TextEncoder().encode(JSON.stringify([category, producer, shippedLsn, ...range]));
}

function decodeState(payload: Uint8Array): ShipState & { readonly category: string } {
  let values: unknown;
  try {
    values = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (error) {
    throw corrupt(error);
  }
  if (!Array.isArray(values)) throw corrupt();
  const [category, producer, shippedLsn, firstLsn, lastLsn] = values as readonly unknown[];
  if (typeof category !== "string" || typeof producer !== "string" || !isLsn(shippedLsn)) {
    throw corrupt();
  }
  if (firstLsn === undefined) return { category, producer, shippedLsn, claim: undefined };
  if (!isLsn(firstLsn) || !isLsn(lastLsn)) throw corrupt();
  return { category, producer, shippedLsn, claim: { firstLsn, lastLsn } };
}

function isLsn(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function corrupt(cause?: unknown): SpoolError {
  return new SpoolError("SPOOL_CORRUPT", "a record of the journal of shipping is damaged", {
    cause,
  });
}
