/**
 * A configuration file as a flat list of keys with their values and lines.
 *
 * The file is TOML; which keys it may have is not known here. Parsing is pure; reading says whose fault it was.
 */
import { readFile, stat } from "node:fs/promises";
import { isErrno } from "@walnut/wal";
import { parse, TomlError } from "smol-toml";
import { ServerError } from "../errors.ts";
import { tomlKeyLines } from "./toml-key-lines.ts";

/** One key of the file. */
export interface FileEntry {
  /** With its section: `wal.sync_mode`. */
  readonly key: string;
  /** As TOML says: text, number, boolean, date or array. `undefined` for a section without keys. */
  readonly value: unknown;
  readonly line: number | undefined;
}

/** A file that was read and understood as TOML. */
export interface ConfigurationFile {
  readonly path: string;
  readonly entries: readonly FileEntry[];
  /** True when others than its owner can read it. */
  readonly isReadableByOthers: boolean;
}

const OTHERS_MASK = 0o077;

/**
 * Reads a configuration file.
 *
 * @param options - `isOptional`: a file that is not there is `undefined` and no error
 * @throws {ServerError} `SERVER_INVALID_OPTION` when it cannot be read, or is no TOML
 */
export async function readConfigurationFile(
  path: string,
  options: { readonly isOptional: boolean },
): Promise<ConfigurationFile | undefined> {
  let text: string;
  let mode: number;
  try {
    text = await readFile(path, "utf8");
    ({ mode } = await stat(path));
  } catch (error) {
    if (options.isOptional && isErrno(error, "ENOENT")) return undefined;
    throw unusable(path, `cannot be read: ${reasonOf(error)}`, error);
  }
  const entries = parseConfigurationFile(path, text);
  return { path, entries, isReadableByOthers: (mode & OTHERS_MASK) !== 0 };
}

/**
 * Reads TOML text as keys.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` naming file and line; the text of the line stays out of the message,
 *   because it may be that of a secret
 */
export function parseConfigurationFile(path: string, text: string): readonly FileEntry[] {
  const withoutMark = text.replace(/^\uFEFF/, "");
  let document: unknown;
  try {
    document = parse(withoutMark);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = (error.message.split("\n")[0] ?? "").replace(/^Invalid TOML document: /, "");
    throw unusable(`${path}:${error.line}:${error.column}`, `is not TOML: ${reason}`, undefined);
  }
  const lines = tomlKeyLines(withoutMark);
  return leaves(document, "").map(([key, value]) => ({ key, value, line: lines.get(key) }));
}

/** Every key that holds something else than a section, and sections that hold nothing. */
function leaves(value: unknown, key: string): (readonly [string, unknown])[] {
  if (!isSection(value)) return [[key, value]];
  const inner = Object.entries(value);
  if (inner.length === 0 && key !== "") return [[key, undefined]];
  return inner.flatMap(([name, child]) => leaves(child, key === "" ? name : `${key}.${name}`));
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)
  );
}

function unusable(place: string, reason: string, cause: unknown): ServerError {
  return new ServerError("SERVER_INVALID_OPTION", `configuration file ${place} ${reason}`, {
    details: { path: place },
    cause,
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
