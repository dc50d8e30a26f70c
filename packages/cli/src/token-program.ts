/**
 * The grammar of `walnut token`. Parsing only.
 */
import type { Command } from "commander";
import { JSON_FLAG, subcommand, type RunCommand } from "./log-program.ts";
import {
  createTokenCommand,
  listTokensCommand,
  revokeTokenCommand,
  type NewTokenFlags,
  type RevokeTokenFlags,
} from "./token-command.ts";

const URL_TEXT = "a server instead of a directory; its answer needs WALNUT_TOKEN";

/** Adds `token` and what is below it to the program. */
export function addTokenCommands(program: Command, run: RunCommand): void {
  const token = subcommand(program, {
    name: "token",
    description: "make, list and revoke the tokens of a server",
    examples: `  walnut token create --name telegraf --rights write --data-dir ./data
  walnut token create --data-dir ./data --name me --rights admin --expires 90d
  walnut token list --data-dir ./data
  walnut token list --url https://db:8000

A running server sees a change within a second. Rights: read (SQL, looking),
write (adding rows), admin (everything).`,
  });
  withPlaceFlags(
    subcommand(token, {
      name: "create",
      description: "make a token and print it, once",
      examples: "  walnut token create --name telegraf --rights write --expires 1d",
    })
      .requiredOption("--name <text>", "what it is for")
      .requiredOption("--rights <list>", "of read, write and admin, with commas between")
      .option("--expires <age>", "how long it is good, such as 90d; without: for ever"),
  ).action((flags: NewTokenFlags) => run((context) => createTokenCommand(flags, context)));
  withPlaceFlags(
    subcommand(token, {
      name: "list",
      description: "list tokens, by name, rights and their last four characters",
      examples: "  walnut token list --json",
    }),
  ).action((flags) => run((context) => listTokensCommand(flags, context)));
  withPlaceFlags(
    subcommand(token, {
      name: "revoke",
      description: "revoke a token; `local` is the one in DIRECTORY/token",
      examples: "  walnut token revoke 0123456789ab",
    })
      .argument("<id>", "as `walnut token list` shows it")
      .option("--yes", "even if it is the last token with the right admin"),
  ).action((id: string, flags: RevokeTokenFlags) =>
    run((context) => revokeTokenCommand(id, flags, context)),
  );
}

function withPlaceFlags(command: Command): Command {
  return command
    .option("--data-dir <dir>", "data directory (default ./data; env WALNUT_DATA_DIR)")
    .option("--url <url>", URL_TEXT)
    .option("--token-file <path>", "with --url: a file with the token to use, not WALNUT_TOKEN")
    .option(...JSON_FLAG);
}
