/**
 * `walnut token`: makes, lists and revokes tokens, in a data directory or, with a URL, over the API of its server.
 *
 * Beside a running server both ways do the same: the file is changed under a lock, and the server sees it within a second.
 */
import { stat } from "node:fs/promises";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { parseAge } from "./quantity-text.ts";
import { tableLines, type TableColumn } from "./text-table.ts";
import { remoteTokens } from "./token-client.ts";

export interface TokenFlags {
  readonly dataDir?: string;
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

export interface NewTokenFlags extends TokenFlags {
  readonly name: string;
  readonly rights: string;
  readonly expires?: string;
}

export interface RevokeTokenFlags extends TokenFlags {
  /** Revoke the last token with the right `admin` as well. */
  readonly yes?: boolean;
}

/** A token as the API shows it, and `--json` prints it. */
export interface ListedToken {
  readonly id: string;
  readonly name: string;
  readonly rights: readonly string[];
  readonly created: string | null;
  readonly expires: string | null;
  readonly last_four: string | null;
}

/** Where tokens are managed. */
export interface TokenAdministration {
  list(): Promise<readonly ListedToken[]>;
  create(token: {
    readonly name: string;
    readonly rights: readonly string[];
    readonly lifeMs: number | undefined;
  }): Promise<ListedToken & { readonly token: string }>;
  revoke(id: string): Promise<ListedToken>;
}

const DEFAULT_DATA_DIRECTORY = "./data";
const COLUMNS: readonly TableColumn[] = [
  "id",
  "name",
  "rights",
  "created",
  "expires",
  "last four",
].map((title) => ({ title, align: "left" }));

/** Lists the tokens, expired ones too. */
export async function listTokensCommand(
  flags: TokenFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const tokens = await (await administration(flags, context)).list();
  if (flags.json === true) output.json({ tokens }, terminal.isTerminal);
  else if (tokens.length === 0) output.line("no tokens; walnut token create makes one");
  else {
    const nowMs = context.environment.nowMs();
    output.line(
      ...tableLines(
        COLUMNS,
        tokens.map((token) => cellsOf(token, nowMs)),
        terminal,
      ),
    );
  }
  await output.flush();
  return EXIT_OK;
}

/** Makes a token. Its text is all that goes to standard output: `TOKEN=$(walnut token create …)` works. */
export async function createTokenCommand(
  flags: NewTokenFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal, note } = context;
  const rights = flags.rights.split(",").map((right) => right.trim());
  const lifeMs = flags.expires === undefined ? undefined : parseAge(flags.expires, "--expires");
  const tokens = await administration(flags, context);
  const made = await tokens.create({ name: flags.name, rights, lifeMs });
  if (flags.json === true) output.json(made, terminal.isTerminal);
  else {
    output.line(made.token);
    const until = made.expires === null ? "" : `, until ${made.expires}`;
    note(`made ${made.id} "${made.name}" (${made.rights.join(", ")})${until}; shown only now`);
  }
  await output.flush();
  return EXIT_OK;
}

/** Revokes a token; the last one that can administer only with `--yes`. */
export async function revokeTokenCommand(
  id: string,
  flags: RevokeTokenFlags,
  context: CommandContext,
): Promise<number> {
  const { environment, output, terminal } = context;
  const tokens = await administration(flags, context);
  if (flags.yes !== true && isLastAdmin(id, await tokens.list(), environment.nowMs())) {
    throw new CommandFailure(
      EXIT_USAGE,
      `${id} is the last token with the right admin; first make another one: ` +
        "walnut token create --name NAME --rights admin …, or revoke it all the same with --yes",
    );
  }
  const revoked = await tokens.revoke(id);
  if (flags.json === true) output.json({ revoked }, terminal.isTerminal);
  else output.line(`revoked ${revoked.id} "${revoked.name}"; servers refuse it within a second`);
  await output.flush();
  return EXIT_OK;
}

/** Expired tokens administer nothing. */
function isLastAdmin(id: string, tokens: readonly ListedToken[], nowMs: number): boolean {
  const admins = tokens.filter(
    ({ rights, expires }) =>
      rights.includes("admin") && (expires === null || Date.parse(expires) > nowMs),
  );
  return admins.length === 1 && admins[0]?.id === id;
}

async function administration(
  flags: TokenFlags,
  context: CommandContext,
): Promise<TokenAdministration> {
  const { variables } = context.environment;
  if (flags.url !== undefined) {
    return await remoteTokens(flags.url, { tokenFile: flags.tokenFile, variables });
  }
  const directory =
    flags.dataDir ?? (variables["WALNUT_DATA_DIR"] || undefined) ?? DEFAULT_DATA_DIRECTORY;
  await assertOwnDirectory(directory);
  const { localTokens } = await import("./token-directory.ts");
  return localTokens(directory);
}

/** A file that another user makes here could not be read by the server, which would then not start. */
async function assertOwnDirectory(directory: string): Promise<void> {
  let owner: number;
  try {
    const facts = await stat(directory);
    if (!facts.isDirectory()) throw new Error("it is not a directory");
    owner = facts.uid;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(
      EXIT_USAGE,
      `${directory} is no data directory (${reason}); give --data-dir DIR or --url URL`,
      { cause: error },
    );
  }
  const user = process.getuid?.();
  if (user === undefined || user === owner) return;
  throw new CommandFailure(
    EXIT_FAILURE,
    `${directory} belongs to user ${owner}; run this as that user: sudo -u '#${owner}' walnut token …`,
  );
}

function cellsOf(token: ListedToken, nowMs: number): Parameters<typeof tableLines>[1][number] {
  const isExpired = token.expires !== null && Date.parse(token.expires) <= nowMs;
  return [
    token.id,
    token.name,
    token.rights.join(","),
    secondOf(token.created),
    isExpired
      ? { text: `${secondOf(token.expires)} expired`, style: "red" }
      : secondOf(token.expires),
    token.last_four === null ? "-" : `…${token.last_four}`,
  ];
}

function secondOf(time: string | null): string {
  return time === null ? "-" : time.replace("T", " ").replace(/\.\d+Z$/, "Z");
}
