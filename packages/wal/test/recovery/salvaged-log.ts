/**
 * Salvages a damaged log on the simulated disk and holds the result to the promises of salvage.
 */
import assert from "node:assert/strict";
import type { SimulatedDisk } from "@walnut/testkit";
import { isWalError, type Gap, type SalvageReport, type Wal } from "@walnut/wal";
import { describePayload, diskWith, type ExpectedRecord } from "../golden/golden-log.ts";
import { LOG_DIRECTORY, Machine } from "../machine.ts";
import type { LogFiles } from "./damage.ts";
import type { DamageSurvey } from "./segment-survey.ts";

const QUARANTINE = `${LOG_DIRECTORY}/quarantine/`;

/** What a log delivers: records and gaps, in order. */
export interface Delivered {
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly records: readonly ExpectedRecord[];
  readonly gaps: readonly Gap[];
}

export async function deliveredBy(wal: Wal): Promise<Delivered> {
  const records: ExpectedRecord[] = [];
  const gaps: Gap[] = [];
  for await (const { lsn, kind, payload } of wal.read({ onGap: (gap) => gaps.push(gap) })) {
    records.push({ lsn, kind, payload: describePayload(payload) });
  }
  const { firstLsn, appendedLsn } = wal.positions;
  return { firstLsn, lastLsn: appendedLsn, records, gaps };
}

/** Reports in quarantine, oldest name first. */
export function reportsOn(disk: SimulatedDisk): readonly SalvageReport[] {
  return disk
    .snapshot()
    .filter(([path]) => path.startsWith(QUARANTINE) && path.endsWith(".json"))
    .map(([, bytes]) => JSON.parse(new TextDecoder().decode(bytes)) as SalvageReport);
}

/** Files in quarantine, by name. */
export function quarantineOf(disk: SimulatedDisk): ReadonlyMap<string, Uint8Array> {
  const files = disk.snapshot().filter(([path]) => path.startsWith(QUARANTINE));
  return new Map(files.map(([path, bytes]) => [path.slice(QUARANTINE.length), bytes]));
}

/** Records and gaps together are every LSN from the first to the last, once. */
export function assertDense(delivered: Delivered): void {
  const { firstLsn, lastLsn, records, gaps } = delivered;
  const lsns = records.map(({ lsn }) => lsn);
  for (const gap of gaps) {
    assert.ok(gap.firstLsn <= gap.lastLsn, "a gap is never empty");
    for (let lsn = gap.firstLsn; lsn <= gap.lastLsn; lsn++) lsns.push(lsn);
  }
  lsns.sort((a, b) => a - b);
  const all = Array.from({ length: lastLsn - firstLsn + 1 }, (_, index) => firstLsn + index);
  assert.deepEqual(lsns, all);
}

/** Every record delivered is the one that was written under its LSN. */
export function assertRight(delivered: Delivered, written: readonly ExpectedRecord[]): void {
  const byLsn = new Map(written.map((record) => [record.lsn, record]));
  for (const record of delivered.records) assert.deepEqual(record, byLsn.get(record.lsn));
}

/** What a salvage must not have lost, and what it must have named. */
export function assertLossesAreNamed(
  delivered: Delivered,
  written: readonly ExpectedRecord[],
  survey: DamageSurvey,
  reports: readonly SalvageReport[],
): void {
  const places = reports.flatMap((report) => report.places);
  const found = new Set(delivered.records.map(({ lsn }) => lsn));
  for (const lsn of survey.lsnsThatMustBeThere()) {
    assert.ok(found.has(lsn), `LSN ${lsn} was whole and is not delivered`);
  }
  for (const gap of delivered.gaps) {
    const isNamed = places.some(
      ({ lostFirstLsn, lostLastLsn }) =>
        lostFirstLsn !== null &&
        lostLastLsn !== null &&
        lostFirstLsn <= gap.firstLsn &&
        lostLastLsn >= gap.lastLsn,
    );
    assert.ok(isNamed, `gap ${gap.firstLsn}-${gap.lastLsn} is in no report`);
  }
  const isFrontNamed = places.some(({ action }) => action === "move-checkpoint");
  const isTailNamed =
    reports.some(({ isTailMissing }) => isTailMissing) ||
    places.some(({ action }) => action === "remove-segment");
  const vouchedAtTheEnd = survey.lsnsVouchedForAtTheEnd();
  for (const { lsn } of written) {
    if (lsn < delivered.firstLsn) assert.ok(isFrontNamed, `the loss of LSN ${lsn} is not named`);
    if (lsn > delivered.lastLsn && vouchedAtTheEnd.has(lsn)) {
      assert.ok(isTailNamed, `LSN ${lsn} was vouched for, and its loss is not named`);
    }
  }
}

/** Quarantine holds the damaged bytes exactly as they were. */
export function assertQuarantined(disk: SimulatedDisk, before: LogFiles): void {
  const files = quarantineOf(disk);
  for (const report of reportsOn(disk)) {
    assert.equal(report.version, 1);
    assert.ok(files.has(report.report));
    for (const place of report.places) {
      assert.ok(place.reason !== "" && place.path.startsWith(LOG_DIRECTORY));
      if (place.quarantined === null) continue;
      const original = before.get(place.path.slice(LOG_DIRECTORY.length + 1));
      const expected = original?.slice(place.fromOffset ?? 0, place.endOffset ?? undefined);
      assert.deepEqual(
        Buffer.from(files.get(place.quarantined) ?? []),
        Buffer.from(expected ?? []),
        `${place.quarantined} is not what was damaged`,
      );
    }
  }
}

/** Nothing of a segment that salvage changes or removes is gone: what was there before is in quarantine. */
export function assertNothingVanished(
  disk: SimulatedDisk,
  before: LogFiles,
  survey: DamageSurvey,
): void {
  const places = reportsOn(disk).flatMap((report) => report.places);
  const quarantine = quarantineOf(disk);
  const last = survey.lastReadable;
  for (const segment of survey.segments) {
    const was = before.get(segment.name);
    // The last one is cut where its frames end: a torn tail is no damage.
    if (was === undefined || segment === last) continue;
    const path = `${LOG_DIRECTORY}/${segment.name}`;
    const is = disk.peek(path);
    const kept = places.filter((place) => place.path === path);
    // A seal is written again by every recovery that finds it missing.
    const sealOffset = segment.frames.at(-1)?.offset ?? segment.endOffset;
    for (let offset = 0; offset < was.byteLength; offset++) {
      if (is !== undefined && (is[offset] === was[offset] || offset >= sealOffset)) continue;
      const isKept = kept.some((place) => {
        const copy = quarantine.get(place.quarantined ?? "");
        return copy?.[offset - (place.fromOffset ?? 0)] === was[offset];
      });
      assert.ok(isKept, `byte ${offset} of ${segment.name} is gone and not in quarantine`);
    }
  }
}

/** A read that does not ask for gaps ends at the first one, and says which it is. */
async function assertGapEndsRead(wal: Wal, delivered: Delivered): Promise<void> {
  const [gap] = delivered.gaps;
  let lsn = delivered.firstLsn - 1;
  const read = async (): Promise<void> => {
    for await (const record of wal.read()) ({ lsn } = record);
  };
  if (gap === undefined) {
    await read();
    assert.equal(lsn, Math.max(delivered.firstLsn - 1, delivered.records.at(-1)?.lsn ?? 0));
    return;
  }
  await assert.rejects(read(), (error) => {
    assert.ok(isWalError(error, "WAL_GAP"));
    assert.deepEqual({ ...error.details }, { firstLsn: gap.firstLsn, lastLsn: gap.lastLsn });
    return true;
  });
  assert.equal(lsn, gap.firstLsn - 1);
}

/** Salvages, and checks every promise of salvage on the way. Returns what was delivered. */
export async function salvageAndJudge(
  written: readonly ExpectedRecord[],
  survey: DamageSurvey,
  files: LogFiles,
): Promise<Delivered> {
  const disk = diskWith(files);
  const wal = await new Machine({ disk, seed: 2 }).open({ recovery: "salvage" });
  const delivered = await deliveredBy(wal);
  assertDense(delivered);
  assertRight(delivered, written);
  assertLossesAreNamed(delivered, written, survey, reportsOn(disk));
  assertQuarantined(disk, files);
  await assertGapEndsRead(wal, delivered);
  await assertGoesOn(disk, wal, delivered);
  return delivered;
}

/** Appends continue, a strict open finds nothing wrong, and a second salvage finds nothing to do. */
export async function assertGoesOn(
  disk: SimulatedDisk,
  wal: Wal,
  delivered: Delivered,
): Promise<void> {
  const lsn = delivered.lastLsn + 1;
  assert.equal(await wal.append(Uint8Array.of(7)), lsn);
  await wal.close();
  const grown: Delivered = {
    ...delivered,
    lastLsn: lsn,
    records: [...delivered.records, { lsn, kind: 0, payload: "07" }],
  };
  const strict = await new Machine({ disk, seed: 3 }).open({ recovery: "strict" });
  assert.equal(strict.recovery.verdict, "T5");
  assert.deepEqual(await deliveredBy(strict), grown);
  await strict.close();
  const quarantine = quarantineOf(disk);
  const again = await new Machine({ disk, seed: 4 }).open({ recovery: "salvage" });
  assert.equal(again.recovery.salvage, undefined);
  assert.deepEqual(await deliveredBy(again), grown);
  await again.close();
  assert.deepEqual(quarantineOf(disk), quarantine);
  assert.deepEqual(disk.openFiles, []);
  assert.deepEqual(disk.lockedDirectories, []);
}
