/**
 * What `walnut serve` tells a person: where it listens, what it keeps, what it recovered, and commands
 * that work when pasted. Pure.
 *
 * The token is shown only in the run that made it, and on a terminal only; otherwise the commands fetch it from where it is.
 */
import type { AccessToken, LogFields, RecoverySummary, RecoveryView } from "@walnut/server";
import { shellQuote } from "./shell-quote.ts";

/** What the banner is made of. */
export interface ServeFacts {
  readonly version: string;
  readonly url: string;
  readonly dataDirectory: string;
  readonly processId: number;
  /** Processes of the workers; empty where there is only the one. */
  readonly workerIds: readonly number[];
  /** Level and what it survives, in words. */
  readonly durabilityText: string;
  readonly token: AccessToken;
  readonly recovery: RecoverySummary;
  readonly isLoopback: boolean;
}

const BYTE_UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];
const BYTES_PER_UNIT = 1_024;
const MS_PER_SECOND = 1_000;
const PERCENT = 100;

/**
 * The text printed when the server is ready.
 *
 * @param isSeen - a person looks at it; otherwise it may end up in a log, and a new token is not shown
 */
export function serveBanner(facts: ServeFacts, isSeen: boolean): string {
  const token = isSeen ? facts.token : withoutSecret(facts.token);
  const authorization = authorizationWord(token);
  const writeUrl = shellQuote(`${facts.url}/write?db=demo`);
  const lines = [
    `Walnut ${facts.version} is ready.`,
    "",
    `  url         ${facts.url}`,
    `  data        ${facts.dataDirectory}`,
    `  process     ${facts.processId}${workersText(facts.workerIds)}`,
    `  durability  ${facts.durabilityText}`,
    `  recovered   ${recoveryText(facts.recovery)}`,
    `  token       ${tokenText(token)}`,
    ...(facts.isLoopback
      ? []
      : ["  network     open to other machines; the token is the only guard"]),
    "",
    "Write a row:",
    `  curl -i -X POST ${writeUrl} -H ${authorization} \\`,
    "    --data-binary 'cpu,host=web-1 usage=0.64'",
    "",
    "Read it back:",
    `  curl -s ${shellQuote(`${facts.url}/api/v1/query`)} -H ${authorization} \\`,
    `    -d '{"sql": "SELECT * FROM demo.cpu"}'`,
    "",
    "Stop with Ctrl-C.",
  ];
  return `${lines.join("\n")}\n`;
}

/** The same facts for a log line. */
export function readyFields({ token, recovery, ...facts }: ServeFacts): LogFields {
  return {
    url: facts.url,
    dataDirectory: facts.dataDirectory,
    durability: facts.durabilityText,
    tokenFile: "path" in token ? token.path : undefined,
    recoveredSegments: recovery.segments,
    recoveredRecords: recovery.records,
    recoveredRows: recovery.rows,
    recoveredBytes: recovery.bytes,
    recoveryMs: Math.round(recovery.durationMs),
    tornTailBytes: recovery.tornTailBytes,
  };
}

function withoutSecret(token: AccessToken): AccessToken {
  return token.source === "created" ? { ...token, source: "file" } : token;
}

/** What start-up found in the log, in one line. */
export function recoveryText(recovery: RecoverySummary): string {
  const torn =
    recovery.tornTailBytes === 0
      ? ""
      : `; an unfinished write of ${formatBytes(recovery.tornTailBytes)} at the end was cut`;
  if (recovery.records === 0) return `nothing to replay (${formatMs(recovery.durationMs)})${torn}`;
  return (
    `${plural(recovery.records, "record")}, ${plural(recovery.rows, "row")}, ` +
    `${formatBytes(recovery.bytes)} from ${plural(recovery.segments, "segment")} ` +
    `in ${formatMs(recovery.durationMs)}${torn}`
  );
}

/** How far recovery is, in one line. */
export function progressText(view: RecoveryView): string {
  const { bytesDone, bytesTotal, segmentsDone, segmentsTotal, rows, etaSeconds } = view;
  const step = view.phase === "scan" ? "checking the log" : "replaying the log";
  const percent = bytesTotal === 0 ? 0 : Math.floor((PERCENT * bytesDone) / bytesTotal);
  const parts = [
    `${percent} % of ${formatBytes(bytesTotal)}`,
    `segment ${Math.min(segmentsDone + 1, segmentsTotal)} of ${segmentsTotal}`,
    ...(rows === 0 ? [] : [plural(rows, "row")]),
    ...(etaSeconds === undefined ? [] : [`${etaSeconds} s to go`]),
  ];
  return `recovering, ${step}: ${parts.join(", ")} (${formatMs(view.elapsedMs)})`;
}

/** How far recovery is, for a log line. */
export function progressFields({ phase, elapsedMs, ...facts }: RecoveryView): LogFields {
  return { step: phase, ...facts, elapsedMs: Math.round(elapsedMs) };
}

/** Bytes in the unit that a person would choose. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= BYTES_PER_UNIT && unit < BYTE_UNITS.length - 1) {
    value /= BYTES_PER_UNIT;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[unit] ?? ""}`;
}

function workersText(ids: readonly number[]): string {
  return ids.length === 0 ? "" : `, workers ${ids.join(", ")}`;
}

function authorizationWord(token: AccessToken): string {
  switch (token.source) {
    case "created":
      return shellQuote(`Authorization: Bearer ${token.token}`);
    case "file":
      return `"Authorization: Bearer $(cat ${shellQuote(token.path)})"`;
    case "option":
    case "stored":
      return '"Authorization: Bearer $WALNUT_TOKEN"';
  }
}

function tokenText(token: AccessToken): string {
  switch (token.source) {
    case "created":
      return `${token.token}\n              made on this first run, kept in ${token.path}, shown only now`;
    case "file":
      return `in ${token.path}`;
    case "option":
      return "as configured; the commands below expect it in WALNUT_TOKEN";
    case "stored":
      return "stored tokens only; see: walnut token list";
  }
}

function formatMs(ms: number): string {
  return ms < MS_PER_SECOND ? `${Math.round(ms)} ms` : `${(ms / MS_PER_SECOND).toFixed(1)} s`;
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}
