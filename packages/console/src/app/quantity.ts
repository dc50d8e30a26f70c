/**
 * Numbers as people read them: with a unit, three or four digits, and the same width from one second to the next.
 *
 * Pure. One language, so that a screenshot means the same everywhere.
 */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const LARGEST_WHOLE = 100_000;
const COUNT_UNITS = ["", " k", " M", " G", " T"];
const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const MS_PER_SECOND = 1_000;
const MS_PER_MINUTE = 60_000;
const MS_PER_HOUR = 3_600_000;
const MS_PER_DAY = 86_400_000;

/** Steps of an axis of bytes: 1, 2, 4 … of each unit, so that marks are round numbers. */
export const BYTE_STEPS: readonly number[] = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** What is shown where there is no number. */
export const NO_NUMBER = "–";

/** All digits: 12,345,678. */
export function formatWhole(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NO_NUMBER : WHOLE.format(value);
}

/** Up to six digits whole, more with a unit: 12,345 and 1.23 M. */
export function formatCount(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NO_NUMBER;
  if (Math.abs(value) < 10 && !Number.isInteger(value)) return value.toFixed(1);
  if (Math.abs(value) < LARGEST_WHOLE) return WHOLE.format(value);
  return scaled(value, 1_000, COUNT_UNITS, "");
}

/** Bytes in units of 1,024. */
export function formatBytes(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NO_NUMBER;
  return scaled(value, 1_024, BYTE_UNITS, " ");
}

/** A time that a machine took: 0.34 ms, 12.3 ms, 1.20 s. */
export function formatMilliseconds(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NO_NUMBER;
  return value < MS_PER_SECOND
    ? `${threeDigits(value)} ms`
    : `${threeDigits(value / MS_PER_SECOND)} s`;
}

/** A time that a person waits or looks back: 4 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function formatDuration(milliseconds: number | undefined): string {
  if (milliseconds === undefined || !Number.isFinite(milliseconds)) return NO_NUMBER;
  const value = Math.max(0, milliseconds);
  if (value < MS_PER_MINUTE) return `${Math.floor(value / MS_PER_SECOND)} s`;
  if (value < MS_PER_HOUR) return twoParts(value, [MS_PER_MINUTE, "min"], [MS_PER_SECOND, "s"]);
  if (value < MS_PER_DAY) return twoParts(value, [MS_PER_HOUR, "h"], [MS_PER_MINUTE, "min"]);
  return twoParts(value, [MS_PER_DAY, "d"], [MS_PER_HOUR, "h"]);
}

/** Any number of a query: four digits, large ones with a unit. */
export function formatValue(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NO_NUMBER;
  return Math.abs(value) >= LARGEST_WHOLE ? formatCount(value) : String(+value.toPrecision(4));
}

/** An instant, in the browser’s zone: 2026-11-20 12:21:40. */
export function formatInstant(milliseconds: number): string {
  return new Date(milliseconds).toLocaleString("sv-SE");
}

/** One thing, two things: with the right ending. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function twoParts(value: number, large: [number, string], small: [number, string]): string {
  const rest = Math.floor((value % large[0]) / small[0]);
  const first = `${Math.floor(value / large[0])} ${large[1]}`;
  return rest === 0 ? first : `${first} ${rest} ${small[1]}`;
}

function scaled(value: number, step: number, units: readonly string[], space: string): string {
  let [number, unit] = [value, 0];
  // What would be rounded up to a full step is one of the next unit: never "1024 KiB".
  while (Math.abs(number) >= step - 0.5 && unit < units.length - 1) {
    number /= step;
    unit++;
  }
  return `${unit === 0 ? WHOLE.format(number) : threeDigits(number)}${space}${units[unit]}`;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}
