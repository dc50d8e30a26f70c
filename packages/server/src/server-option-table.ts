/**
 * The options of the server as data: one row each, in the order in which help and documentation list them.
 *
 * The command line, the environment variables, walnut.toml, the checks in `resolve-server-options.ts` and the tables in
 * docs/configuration.md are all made from this.
 *
 * To add an option:
 *   1. the field, with its doc comment, in the interface of its section: `options/SECTION-section.ts`
 *   2. its row right below, in the same file: TOML key, flag, range, default, one line of meaning. The compiler demands
 *      it. The variable follows from the flag: `--flush-rows` is `WALNUT_FLUSH_ROWS`. An option without a default has
 *      `defaultText` instead, and is listed in `OpenOptions` of `server-options.ts`
 *   3. relations to other options: `checkRelations` in `resolve-server-options.ts`
 *   4. `UPDATE=1 npm test -- documents config-command`, which writes docs/configuration.md and deploy/walnut.toml
 * A new section is a new file `options/NAME-section.ts`, a line in `SERVER_SECTIONS` below and one in `ServerSettings`.
 */
import { AUTH_SECTION } from "./options/auth-section.ts";
import { COMPACTION_SECTION } from "./options/compaction-section.ts";
import { FLUSH_SECTION } from "./options/flush-section.ts";
import { FORWARD_SECTION } from "./options/forward-section.ts";
import { IDEMPOTENCY_SECTION } from "./options/idempotency-section.ts";
import { LIMITS_SECTION } from "./options/limits-section.ts";
import { LOG_SECTION } from "./options/log-section.ts";
import type { OptionRow, OptionSpec, RowsOf } from "./options/option-row.ts";
import { QUERY_SECTION } from "./options/query-section.ts";
import { RETENTION_SECTION } from "./options/retention-section.ts";
import { S3_SECTION } from "./options/s3-section.ts";
import { SERVER_SECTION } from "./options/server-section.ts";
import { STORAGE_SECTION } from "./options/storage-section.ts";
import { WAL_SECTION } from "./options/wal-section.ts";
import type { DefaultServerOptions, ServerSettings } from "./server-options.ts";

/** An option that can be set from a command line, the environment or walnut.toml. */
export type ServerOptionName = keyof ServerSettings;

/** One option as data; `kind` says how its text form is read and its value checked. */
export type ServerOptionSpec = OptionSpec<ServerOptionName>;

/** The rows of every section. */
const SERVER_SECTIONS: RowsOf<ServerSettings> = {
  ...SERVER_SECTION,
  ...STORAGE_SECTION,
  ...S3_SECTION,
  ...WAL_SECTION,
  ...FLUSH_SECTION,
  ...COMPACTION_SECTION,
  ...RETENTION_SECTION,
  ...AUTH_SECTION,
  ...LIMITS_SECTION,
  ...IDEMPOTENCY_SECTION,
  ...QUERY_SECTION,
  ...LOG_SECTION,
  ...FORWARD_SECTION,
};

/** Every option that a person can set. */
export const SERVER_OPTION_TABLE: readonly ServerOptionSpec[] = Object.entries(
  SERVER_SECTIONS as Readonly<Record<string, OptionRow>>,
).map(([name, row]) => Object.freeze({ ...row, name: name as ServerOptionName })); // Keys of SERVER_SECTIONS.

/** Defaults of every option that has one. */
export const DEFAULT_SERVER_OPTIONS: DefaultServerOptions = Object.freeze(
  Object.fromEntries(
    SERVER_OPTION_TABLE.filter((spec) => spec.default !== undefined).map((spec) => [
      spec.name,
      spec.default,
    ]),
  ),
) as unknown as DefaultServerOptions; // A test compares its keys with those that have a default.
