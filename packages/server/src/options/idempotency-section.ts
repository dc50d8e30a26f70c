/** Options of the section `[idempotency]`: how long and how many writes are remembered. */
import { HOUR_MS, type RowsOf } from "./option-row.ts";

/** Options of the section `[idempotency]`. */
export interface IdempotencySection {
  /**
   * How long a write with a key or a producer's seq is remembered, in milliseconds: a retry within it is not
   * stored again. Default 24 hours. Range 1 second to 30 days.
   */
  readonly idempotencyWindowMs?: number | undefined;
  /**
   * Keys and producers remembered at one time, about 300 bytes of memory each; beyond it the oldest are
   * forgotten early. Default 500,000. Range 1 to 10,000,000.
   */
  readonly idempotencyMaxKeys?: number | undefined;
}

export const IDEMPOTENCY_SECTION: RowsOf<IdempotencySection> = {
  idempotencyWindowMs: {
    kind: "integer",
    toml: "idempotency.window_ms",
    flag: "idempotency-window-ms",
    unit: "ms",
    min: 1_000,
    max: 720 * HOUR_MS,
    default: 24 * HOUR_MS,
    summary: "how long a write with a key is remembered",
  },
  idempotencyMaxKeys: {
    kind: "integer",
    toml: "idempotency.max_keys",
    flag: "idempotency-max-keys",
    unit: "keys",
    min: 1,
    max: 10_000_000,
    default: 500_000,
    summary: "keys and producers remembered; beyond it the oldest go early",
  },
};
