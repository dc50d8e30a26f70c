/**
 * Records as people and programs read them: a line with a preview, or a JSON object. Pure.
 */
import type { LogRecords } from "@walnut/wal";
import { formatTime } from "./quantity-text.ts";
import type { Terminal } from "./terminal.ts";
import { fit } from "./text-table.ts";

type WalRecord = LogRecords["records"][number];

const LSN_WIDTH = 10;
const TIME_WIDTH = 24;
const KIND_WIDTH = 4;
const LENGTH_WIDTH = 10;
/** Length of a preview where the output is no terminal. */
const PLAIN_PREVIEW = 200;
/** A payload with more than this share of unprintable characters is shown in hexadecimal. */
const MAX_CONTROL_SHARE = 0.1;

// eslint-disable-next-line no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Heading for lines of {@link recordLine}. */
export function recordHeading(terminal: Terminal): string {
  const heading = [
    "LSN".padStart(LSN_WIDTH),
    "time".padEnd(TIME_WIDTH),
    "kind".padStart(KIND_WIDTH),
    "bytes".padStart(LENGTH_WIDTH),
    "payload",
  ];
  return terminal.paint("dim", heading.join("  "));
}

/** One record on one line: LSN, time, kind, length, what fits of the payload. */
export function recordLine(record: WalRecord, timeMs: number, terminal: Terminal): string {
  const head = [
    String(record.lsn).padStart(LSN_WIDTH),
    formatTime(timeMs).padEnd(TIME_WIDTH),
    String(record.kind).padStart(KIND_WIDTH),
    String(record.payload.byteLength).padStart(LENGTH_WIDTH),
  ].join("  ");
  const room = terminal.isTerminal ? terminal.columns - head.length - 2 : PLAIN_PREVIEW;
  return room <= 0 ? head : `${head}  ${preview(record.payload, room, terminal)}`;
}

/** What fits of a payload, with nothing in it that a terminal would obey. */
export function preview(payload: Uint8Array, width: number, terminal: Terminal): string {
  // A character takes at most four bytes; one more tells that there is more.
  const head = payload.subarray(0, width * 4 + 4);
  const isCut = head.byteLength < payload.byteLength;
  const text = utf8Text(isCut ? wholeCharacters(head) : head);
  const controls = text?.match(CONTROL)?.length ?? 0;
  if (text === undefined || controls > text.length * MAX_CONTROL_SHARE) {
    const hex = Buffer.from(payload.subarray(0, width)).toString("hex");
    return fit(hex === "" ? "" : `0x${hex}${isCut ? hex : ""}`, width, terminal);
  }
  const escaped = text.replaceAll(CONTROL, escapeOf);
  return fit(isCut ? escaped.padEnd(width + 1) : escaped, width, terminal);
}

/** One record as a JSON object. `text` is there when the payload is UTF-8. */
export function recordJson(record: WalRecord, part: LogRecords): object {
  const { lsn, kind, payload } = record;
  const text = utf8Text(payload);
  return {
    lsn,
    time: new Date(part.timeMs).toISOString(),
    kind,
    bytes: payload.byteLength,
    segmentId: part.segmentId,
    ...(text === undefined ? {} : { text }),
    base64: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("base64"),
  };
}

/** The text that the bytes are, or `undefined` when they are no UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Without the beginning of a character that is cut in two. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let end = bytes.byteLength;
  for (let back = 1; back <= 3 && back <= bytes.byteLength; back++) {
    const byte = bytes[bytes.byteLength - back] ?? 0;
    if ((byte & 0xc0) !== 0x80) {
      if (byte >= 0xc0) end = bytes.byteLength - back;
      break;
    }
  }
  return bytes.subarray(0, end);
}

function escapeOf(character: string): string {
  switch (character) {
    case "\n":
      return String.raw`\n`;
    case "\r":
      return String.raw`\r`;
    case "\t":
      return String.raw`\t`;
    default: {
      const code = character.charCodeAt(0);
      return code < 256
        ? String.raw`\x` + code.toString(16).padStart(2, "0")
        : String.raw`\u` + code.toString(16).padStart(4, "0");
    }
  }
}
