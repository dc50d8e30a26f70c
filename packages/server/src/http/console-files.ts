/**
 * The built web console in memory: every file with its type, its tag and its compressed forms.
 *
 * The build (packages/console) leaves a manifest that names them, so nothing is guessed from a file's name and nothing
 * is read from disk while requests are served. A server without a built console works; it only has no console.
 */
import { readFileSync } from "node:fs";
import { CONSOLE_DIRECTORY } from "@walnut/console";
import { isErrno } from "@walnut/wal";
import * as z from "zod";

/** One file as it is sent. */
export interface ConsoleFile {
  /** Path in URLs. */
  readonly path: string;
  readonly contentType: string;
  /** Strong validator, without quotes: the hash of the content. */
  readonly tag: string;
  /** The name changes with the content, so that browsers may keep the file for ever. */
  readonly isImmutable: boolean;
  readonly bodies: {
    readonly identity: Uint8Array;
    readonly gzip: Uint8Array;
    readonly br: Uint8Array;
  };
}

const MANIFEST = z.object({
  files: z.array(
    z.object({
      path: z.string().startsWith("/"),
      file: z.string().regex(/^[\w.-]+$/),
      contentType: z.string(),
      tag: z.string(),
      isImmutable: z.boolean(),
    }),
  ),
});

/** Reads the built console; empty when it has not been built. */
export function readConsoleFiles(directory: URL = CONSOLE_DIRECTORY): readonly ConsoleFile[] {
  let manifestText: string;
  try {
    manifestText = readFileSync(new URL("manifest.json", directory), "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
  const manifest = MANIFEST.parse(JSON.parse(manifestText));
  return manifest.files.map(({ file, ...facts }) => ({
    ...facts,
    bodies: {
      identity: readFileSync(new URL(file, directory)),
      gzip: readFileSync(new URL(`${file}.gz`, directory)),
      br: readFileSync(new URL(`${file}.br`, directory)),
    },
  }));
}
