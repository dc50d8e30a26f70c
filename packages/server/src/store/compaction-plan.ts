/**
 * Which small files of a table are worth merging: a pure decision over what the catalog says.
 *
 * Files of one hour are merged, never across hours. Files are taken smallest first, as long as the next one is not
 * much larger than all taken so far: so a row is rewritten a few times in its life, however long its hour goes on.
 */
import type { CatalogFile, FileGroup } from "./catalog-record.ts";
import { parseFilePath } from "./parquet-path.ts";

/** When files are merged. */
export interface CompactionLimits {
  /** Files of similar size in an hour that are merged; in an hour that is over, two are enough. */
  readonly minFiles: number;
  /** Largest file that is made, roughly: sources together are not larger. */
  readonly targetFileBytes: number;
}

/** Files of one hour that become one, oldest first, with what they hold together. */
export interface CompactionStep {
  readonly hour: string;
  readonly groups: readonly FileGroup[];
  readonly paths: readonly string[];
  readonly bytes: number;
}

/** Rows and files of one merge: bounds its memory and its open files. */
const MAX_ROWS = 1_000_000;
const MAX_FILES = 500;
/** A file joins when it is at most this many times as large as all smaller ones together. */
const MAX_SIZE_RATIO = 4;
const HOUR_MS = 3_600_000;

/**
 * The merge of a table that removes most files, or `undefined` when none is due.
 *
 * @param nowMs - wall clock: an hour that ended an hour ago is over; a wrong one only changes how much is merged
 */
export function planCompaction(
  groups: readonly FileGroup[],
  limits: CompactionLimits,
  nowMs: number,
): CompactionStep | undefined {
  let best: readonly CatalogFile[] = [];
  for (const [hour, files] of filesByHour(groups)) {
    const isOver = Date.parse(`${hour}:00:00Z`) + 2 * HOUR_MS < nowMs;
    const taken = takeSimilar(files, limits.targetFileBytes);
    if (taken.length < (isOver ? 2 : limits.minFiles)) continue;
    if (taken.length > best.length) best = taken;
  }
  const [first] = best;
  if (first === undefined) return undefined;
  const paths = new Set(best.map((file) => file.path));
  return {
    hour: first.hour,
    paths: [...paths],
    bytes: best.reduce((total, file) => total + file.bytes, 0),
    groups: inArrivalOrder(groups, paths),
  };
}

function filesByHour(groups: readonly FileGroup[]): ReadonlyMap<string, readonly CatalogFile[]> {
  const hours = new Map<string, CatalogFile[]>();
  for (const file of groups.flatMap((group) => group.files)) {
    const files = hours.get(file.hour);
    if (files === undefined) hours.set(file.hour, [file]);
    else files.push(file);
  }
  return hours;
}

function takeSimilar(
  files: readonly CatalogFile[],
  targetFileBytes: number,
): readonly CatalogFile[] {
  const taken: CatalogFile[] = [];
  let [bytes, rows] = [0, 0];
  for (const file of files.toSorted((a, b) => a.bytes - b.bytes)) {
    if (taken.length >= MAX_FILES) break;
    if (bytes + file.bytes > targetFileBytes || rows + file.rows > MAX_ROWS) break;
    if (taken.length > 0 && file.bytes > MAX_SIZE_RATIO * bytes) break;
    taken.push(file);
    bytes += file.bytes;
    rows += file.rows;
  }
  return taken;
}

/** One group for each file, oldest first: rows with equal times keep their order. */
function inArrivalOrder(
  groups: readonly FileGroup[],
  paths: ReadonlySet<string>,
): readonly FileGroup[] {
  return groups
    .flatMap(({ columns, files }) => files.map((file) => ({ columns, files: [file] })))
    .filter(({ files: [file] }) => file !== undefined && paths.has(file.path))
    .toSorted((a, b) => firstLsnOf(a) - firstLsnOf(b));
}

function firstLsnOf({ files: [file] }: FileGroup): number {
  return file === undefined ? 0 : parseFilePath(file.path).firstLsn;
}
