/**
 * `walnut raft dump`: the entries of a Raft log, a line or a JSON object each.
 */
import {
  ENTRY_TYPE,
  hideEtcdSecrets,
  openRaftSource,
  type Entry,
  type RaftSource,
  type RaftSourceGroup,
} from "@walnut/raft-log";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_DAMAGE, EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { formatCount, formatLsns, parseWhole } from "./quantity-text.ts";
import { groupSummaries, idText, ownerText, tornText } from "./raft-text.ts";
import { preview } from "./record-text.ts";
import type { Terminal } from "./terminal.ts";
import { fit } from "./text-table.ts";

export interface RaftDumpFlags {
  readonly group?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

const TYPES = ["normal", "conf-change", "conf-change-v2"] as const;
/** Entries are read in pieces of about this much data. */
const PIECE_BYTES = 1024 * 1024; // 1 MiB
/** Length of a preview where the output is no terminal. */
const PLAIN_PREVIEW = 200;

interface Range {
  readonly from: number;
  readonly to: number;
  /** Entries that may still be printed. */
  left: number;
}

export async function raftDumpCommand(
  directory: string,
  flags: RaftDumpFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal, note } = context;
  const number = (text: string | undefined, flag: string, otherwise: number): number =>
    text === undefined ? otherwise : parseWhole(text, flag, 0);
  const range: Range = {
    from: number(flags.from, "--from", 0),
    to: number(flags.to, "--to", Number.MAX_SAFE_INTEGER),
    left: number(flags.limit, "--limit", Number.POSITIVE_INFINITY),
  };
  if (range.from > range.to) {
    throw new CommandFailure(EXIT_USAGE, `--from ${range.from} is behind --to ${range.to}`);
  }
  const source = await openWithProgress(directory, flags, context);
  try {
    if (flags.json !== true)
      output.line(`${terminal.paint("bold", source.directory)}  ${ownerText(source)}`);
    for (const [groupId, group] of chosen(source, flags)) {
      if (range.left <= 0) break;
      if (flags.json !== true) output.line("", ...headLines(source, groupId, terminal));
      await printEntries(groupId, group, range, flags.json === true, context);
    }
    await output.flush();
    const [torn] = source.damage.filter(({ kind }) => kind === "torn");
    if (torn !== undefined) note(`walnut: the log ends at ${tornText(torn)}`);
    const damage = source.damage.filter((place) => place !== torn);
    for (const { path, offsetBytes = 0, reason } of damage) {
      note(`walnut: ${path}, offset ${formatCount(offsetBytes)}: ${reason}`);
    }
    return damage.length === 0 ? EXIT_OK : EXIT_DAMAGE;
  } finally {
    await source.close();
  }
}

async function openWithProgress(
  directory: string,
  flags: RaftDumpFlags,
  context: CommandContext,
): Promise<RaftSource> {
  const progress = context.progressBar("read", flags.json === true);
  try {
    return await openRaftSource({
      directory,
      onProgress: ({ bytesDone, bytesTotal }) => progress.report(bytesDone, bytesTotal),
    });
  } finally {
    progress.clear();
  }
}

function chosen(
  { groups, directory }: RaftSource,
  { group }: RaftDumpFlags,
): readonly (readonly [number, RaftSourceGroup])[] {
  if (group === undefined) return [...groups];
  const groupId = parseWhole(group, "--group", 0);
  const found = groups.get(groupId);
  if (found !== undefined) return [[groupId, found]];
  throw new CommandFailure(
    EXIT_USAGE,
    `${directory} has no group ${groupId}; there are: ${[...groups.keys()].join(", ")}`,
  );
}

function headLines(source: RaftSource, groupId: number, terminal: Terminal): string[] {
  const group = groupSummaries(source).find((each) => each.groupId === groupId);
  if (group === undefined) return [];
  const { firstIndex, lastIndex, term, vote, commit, snapshotIndex, voters } = group;
  const entries =
    lastIndex < firstIndex ? "no entries" : `entries ${formatLsns(firstIndex, lastIndex)}`;
  const members = voters.length === 0 ? "" : ` of ${voters.map(idText).join(", ")}`;
  const snapshot = snapshotIndex === 0 ? "" : `, snapshot ${formatCount(snapshotIndex)}${members}`;
  return [
    `group ${groupId}: ${entries}, term ${term}, vote ${vote === 0n ? "-" : idText(vote)}, commit ${formatCount(commit)}${snapshot}`,
    terminal.paint("dim", "     index      term  type              bytes  data"),
  ];
}

async function printEntries(
  groupId: number,
  group: RaftSourceGroup,
  range: Range,
  isJson: boolean,
  { output, terminal }: CommandContext,
): Promise<void> {
  const last = Math.min(range.to, group.lastIndex);
  for (let index = Math.max(range.from, group.firstIndex); index <= last && range.left > 0;) {
    const entries = await group.entries(index, last + 1, PIECE_BYTES);
    for (const entry of entries.slice(0, range.left).map(withoutSecrets)) {
      output.line(isJson ? jsonLine(groupId, entry) : entryLine(entry, terminal));
      if (output.isFull) await output.flush();
    }
    if (output.isGone) return;
    range.left -= entries.length;
    index += entries.length;
  }
}

/** Entries may be those of etcd in any backend, because logs are converted. */
function withoutSecrets(entry: Entry): Entry {
  return entry.type === ENTRY_TYPE.normal ? { ...entry, data: hideEtcdSecrets(entry.data) } : entry;
}

function jsonLine(groupId: number, { index, term, type, data }: Entry): string {
  const base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
  return JSON.stringify({
    group: groupId,
    index,
    term,
    type: TYPES[type],
    bytes: data.byteLength,
    data: base64,
  });
}

function entryLine({ index, term, type, data }: Entry, terminal: Terminal): string {
  const head = [
    String(index).padStart(10),
    String(term).padStart(8),
    TYPES[type].padEnd(14),
    String(data.byteLength).padStart(7),
  ].join("  ");
  const room = terminal.isTerminal ? terminal.columns - head.length - 2 : PLAIN_PREVIEW;
  return room <= 0 ? head : `${head}  ${dataText(data, room, terminal)}`.trimEnd();
}

/** Text as it is, and of messages that are mostly text (etcd's requests) the text in them; everything else in hexadecimal. */
function dataText(data: Uint8Array, width: number, terminal: Terminal): string {
  const head = [...data.subarray(0, width)];
  const isText = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;
  const texts = head.filter(isText).length;
  if (texts === head.length || texts < head.length / 2) return preview(data, width, terminal);
  const text = head.map((byte) => (isText(byte) ? String.fromCodePoint(byte) : ".")).join("");
  return fit(data.byteLength > width ? text.padEnd(width + 1) : text, width, terminal);
}
