/** Options of the section `[auth]`: who may call. */
import type { RowsOf } from "./option-row.ts";

/** Options of the section `[auth]`. */
export interface AuthSection {
  /**
   * The secret that clients send. Left out: one is made on the first run and kept in `DIRECTORY/token`.
   * 1 to 1,024 printable ASCII characters without spaces.
   */
  readonly token?: string | undefined;
  /** Whether `/metrics` answers without a token. Default true. */
  readonly publicMetrics?: boolean | undefined;
}

export const AUTH_SECTION: RowsOf<AuthSection> = {
  token: {
    kind: "secret",
    toml: "auth.token",
    flag: "token",
    defaultText: "made on the first run",
    summary: "secret that clients send; without it one is made on the first run",
  },
  publicMetrics: {
    kind: "boolean",
    toml: "auth.public_metrics",
    flag: "public-metrics",
    default: true,
    summary: "answer /metrics without a token",
  },
};
