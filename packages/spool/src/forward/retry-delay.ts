/**
 * How long to wait before something is tried again: doubled with each failure up to a ceiling, half of it left to chance, so that many
 * who failed together do not come back together; and never sooner than the other side asks. Pure.
 *
 * The server's object storage has the same five lines of its own: the one package below both is the engine, which retries nothing.
 */

export interface RetryLimits {
  /** After the first failure, in milliseconds. */
  readonly firstDelayMs: number;
  /** Ceiling, in milliseconds. */
  readonly maxDelayMs: number;
}

/** What an answer says about trying again. */
export interface RetryHeaders {
  readonly retryAfter: string | undefined;
  /** When it was sent, by the clock of its sender. */
  readonly date: string | undefined;
}

/** What another side may ask for at most: a wrong clock must not stop us for a day. */
export const MAX_RETRY_AFTER_MS: number = 10 * 60 * 1000;

/**
 * The pause after the given number of failures in a row, in milliseconds.
 *
 * @param random - from 0 to 1
 */
export function retryDelayMs(failures: number, random: number, limits: RetryLimits): number {
  // 2^20 is far above the ceiling: no overflow after a long night.
  const doublings = Math.min(Math.max(failures - 1, 0), 20);
  const fullMs = Math.min(limits.firstDelayMs * 2 ** doublings, limits.maxDelayMs);
  return Math.round(fullMs / 2 + (fullMs / 2) * random);
}

/**
 * What a `Retry-After` header asks for, in milliseconds: seconds, or a date. 0 when there is none, or none that can be read.
 *
 * A date is one of the upstream's clock, which its `Date` header tells; ours may be wrong.
 *
 * @param nowMs - our wall clock, milliseconds since 1970: for an upstream that does not tell its own
 */
export function retryAfterMs({ retryAfter: header, date }: RetryHeaders, nowMs: number): number {
  if (header === undefined) return 0;
  const sentMs = Date.parse(date ?? "");
  const text = header.trim();
  const wantedMs = /^\d{1,9}$/.test(text)
    ? Number(text) * 1000
    : Date.parse(text) - (Number.isNaN(sentMs) ? nowMs : sentMs);
  return Number.isFinite(wantedMs) ? Math.min(Math.max(wantedMs, 0), MAX_RETRY_AFTER_MS) : 0;
}
