/**
 * Golden logs: real files of a released format version, and what reading them must give.
 *
 * `v1/NAME/` holds the files of a log's directory; `v1/NAME/expected.json` what is in them. They are only ever added: a
 * change that cannot read them any more has broken the format.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { SimulatedDisk } from "@walnut/testkit";
import type { Wal } from "@walnut/wal";
import { LOG_DIRECTORY } from "../machine.ts";

export const GOLDEN_DIRECTORY: string = fileURLToPath(new URL("v1", import.meta.url));
export const EXPECTED_NAME = "expected.json";

/** One record; long payloads stand for themselves by length and hash. */
export interface ExpectedRecord {
  readonly lsn: number;
  readonly kind: number;
  readonly payload: string;
}

export interface ExpectedLog {
  readonly about: string;
  readonly verdict: string;
  readonly tornTailBytes: number;
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly cursors: readonly { readonly name: string; readonly lsn: number }[];
  readonly records: readonly ExpectedRecord[];
}

export interface GoldenLog {
  readonly name: string;
  /** Files below the log's directory, by name with forward slashes. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly expected: ExpectedLog;
}

export function goldenNames(): string[] {
  return fs.existsSync(GOLDEN_DIRECTORY) ? fs.readdirSync(GOLDEN_DIRECTORY).sort() : [];
}

export function loadGolden(name: string): GoldenLog {
  const root = path.join(GOLDEN_DIRECTORY, name);
  const files = new Map<string, Uint8Array>();
  for (const entry of fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === EXPECTED_NAME) continue;
    const filePath = path.join(entry.parentPath, entry.name);
    const relative = path.relative(root, filePath).split(path.sep).join("/");
    files.set(relative, Uint8Array.from(fs.readFileSync(filePath)));
  }
  const text = fs.readFileSync(path.join(root, EXPECTED_NAME), "utf8");
  return { name, files, expected: JSON.parse(text) as ExpectedLog };
}

/** A disk with these files in the log's directory, all durable. */
export function diskWith(files: ReadonlyMap<string, Uint8Array>): SimulatedDisk {
  const disk = new SimulatedDisk();
  for (const [name, bytes] of files) disk.plant(`${LOG_DIRECTORY}/${name}`, bytes);
  return disk;
}

/** Names of the segments among the files, in order. */
export function segmentNames(files: ReadonlyMap<string, Uint8Array>): string[] {
  return [...files.keys()].filter((name) => name.endsWith(".wal")).sort();
}

export function describePayload(payload: Uint8Array): string {
  if (payload.byteLength <= 64) return Buffer.from(payload).toString("hex");
  const hash = createHash("sha256").update(payload).digest("hex");
  return `${payload.byteLength} bytes, sha256 ${hash}`;
}

/** What an open log holds, in the form of expected.json. */
export async function describeLog(about: string, wal: Wal): Promise<ExpectedLog> {
  const records: ExpectedRecord[] = [];
  for await (const { lsn, kind, payload } of wal.read()) {
    records.push({ lsn, kind, payload: describePayload(payload) });
  }
  const { cursors } = wal.status();
  return {
    about,
    verdict: wal.recovery.verdict,
    tornTailBytes: wal.recovery.tornTailBytes,
    firstLsn: wal.positions.firstLsn,
    lastLsn: wal.positions.durableLsn,
    cursors,
    records,
  };
}
