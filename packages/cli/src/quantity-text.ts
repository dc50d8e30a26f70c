/**
 * Quantities as people write and read them: counts, durations, times, sizes. Pure.
 */
import { CommandFailure } from "./command-failure.ts";
import { EXIT_USAGE } from "./exit-code.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const AGE_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
};

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** 1234567 -> "1,234,567". */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** "1 segment", "2 segments". */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A range of LSNs; nothing when there is none. */
export function formatLsns(firstLsn: number | undefined, lastLsn: number | undefined): string {
  if (firstLsn === undefined && lastLsn === undefined) return "-";
  if (firstLsn === lastLsn && firstLsn !== undefined) return formatCount(firstLsn);
  const first = firstLsn === undefined ? "?" : formatCount(firstLsn);
  const last = lastLsn === undefined ? "?" : formatCount(lastLsn);
  return `${first} - ${last}`;
}

/** A time in UTC, as "2026-01-31 12:00:00.000Z". */
export function formatTime(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? `${timeMs} ms` : date.toISOString().replace("T", " ");
}

/** As {@link formatTime}, to the second. */
export function formatSecond(timeMs: number): string {
  return formatTime(timeMs).replace(/\.\d{3}Z$/, "Z");
}

/** A length of time in its two largest units: "3 d 4 h", "1.5 s", "12 ms". */
export function formatDuration(durationMs: number): string {
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  if (durationMs < SECOND_MS) return `${Math.round(durationMs)} ms`;
  if (durationMs < 10 * SECOND_MS) return `${(durationMs / SECOND_MS).toFixed(1)} s`;
  if (durationMs < MINUTE_MS) return `${Math.floor(durationMs / SECOND_MS)} s`;
  if (durationMs < HOUR_MS) return inTwo(durationMs, MINUTE_MS, "min", SECOND_MS, "s");
  if (durationMs < DAY_MS) return inTwo(durationMs, HOUR_MS, "h", MINUTE_MS, "min");
  return inTwo(durationMs, DAY_MS, "d", HOUR_MS, "h");
}

/** Microseconds, or milliseconds where that reads better. */
export function formatMicros(micros: number): string {
  if (micros < 10) return `${micros.toFixed(1)} us`;
  if (micros < 10_000) return `${formatCount(micros)} us`;
  return `${formatCount(micros / 1000)} ms`;
}

/** Reads an LSN: a whole number from 1. */
export function parseLsn(text: string, flag: string): number {
  return parseWhole(text, flag, 1);
}

/** Reads a whole number. */
export function parseWhole(text: string, flag: string, min: number): number {
  const value = /^\d{1,16}$/.test(text.replaceAll(",", "")) ? Number(text.replaceAll(",", "")) : -1;
  if (!Number.isSafeInteger(value) || value < min) {
    throw usage(`${flag} must be a whole number from ${min}, found "${text}"`);
  }
  return value;
}

/** Reads a positive number. */
export function parsePositive(text: string, flag: string): number {
  const value = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : 0;
  if (value <= 0) throw usage(`${flag} must be a number above 0, found "${text}"`);
  return value;
}

/** Reads a time: ISO 8601 (UTC unless it says otherwise), milliseconds since 1970, or an age such as "10m" (ago). */
export function parseTime(text: string, flag: string, nowMs: number): number {
  if (/^\d{11,16}$/.test(text)) return Number(text);
  const age = readAge(text);
  if (age !== undefined) return nowMs - age;
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  const isDateOnly = /^\d{4}-\d\d-\d\d$/.test(text);
  const timeMs = Date.parse(
    hasZone || isDateOnly ? text.replace(" ", "T") : `${text.replace(" ", "T")}Z`,
  );
  if (!/^\d{4}-/.test(text) || Number.isNaN(timeMs)) {
    throw usage(
      `${flag} must be a time such as 2026-01-31T12:00:00Z, or an age such as 10m, found "${text}"`,
    );
  }
  return timeMs;
}

/** Reads an age such as "30s", "10m", "12h", "7d". */
export function parseAge(text: string, flag: string): number {
  const age = readAge(text);
  if (age === undefined) throw usage(`${flag} must be an age such as 12h or 7d, found "${text}"`);
  return age;
}

/** Reads a size such as "1048576", "500m", "10g". */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d{1,15})([kmgt]?)(i?b)?$/i.exec(text);
  const bytes = Number(match?.[1]) * (SIZE_UNITS[match?.[2]?.toLowerCase() ?? ""] ?? Number.NaN);
  if (match === null || !Number.isSafeInteger(bytes)) {
    throw usage(`${flag} must be a size such as 500m or 10g, found "${text}"`);
  }
  return bytes;
}

function readAge(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return match === null ? undefined : Number(match[1]) * (AGE_UNITS[match[2] ?? ""] ?? 0);
}

function inTwo(
  durationMs: number,
  largeMs: number,
  large: string,
  smallMs: number,
  small: string,
): string {
  const rest = Math.floor((durationMs % largeMs) / smallMs);
  return `${formatCount(Math.floor(durationMs / largeMs))} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

function usage(message: string): CommandFailure {
  return new CommandFailure(EXIT_USAGE, message);
}
