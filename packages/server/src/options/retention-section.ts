/** Options of the section `[retention]`: how long rows are kept. */
import { HOUR_MS, type RowsOf } from "./option-row.ts";

/** Options of the section `[retention]`. Rules by database and measurement are set over HTTP. */
export interface RetentionSection {
  /**
   * Days that rows are kept where no rule says otherwise, by their own time; 0 keeps them for ever. Default 0. Range 0
   * to 36,500.
   */
  readonly retentionDefaultDays?: number | undefined;
  /** Time between two looks for rows that are too old, in milliseconds. Default 600,000. Range 1,000 to 3,600,000. */
  readonly retentionIntervalMs?: number | undefined;
}

export const RETENTION_SECTION: RowsOf<RetentionSection> = {
  retentionDefaultDays: {
    kind: "integer",
    toml: "retention.default_days",
    flag: "retention-default-days",
    unit: "days",
    min: 0,
    max: 36_500,
    default: 0,
    summary: "days that rows are kept without a rule; 0: for ever",
  },
  retentionIntervalMs: {
    kind: "integer",
    toml: "retention.interval_ms",
    flag: "retention-interval-ms",
    unit: "ms",
    min: 1_000,
    max: HOUR_MS,
    default: 600_000,
    summary: "time between two looks for rows that are too old",
  },
};
