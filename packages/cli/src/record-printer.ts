/**
 * Prints the parts of a log in one of the formats of `walnut dump` and `walnut tail`.
 *
 * What cannot be read is named where it belongs: as a line on standard error for people, as an object in JSON lines.
 */
import type { LogPart, LogRecords } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { damageText } from "./damage-text.ts";
import { EXIT_USAGE } from "./exit-code.ts";
import { formatLsns } from "./quantity-text.ts";
import type { RecordDecoder } from "./record-decoder.ts";
import { recordHeading, recordJson, recordLine } from "./record-text.ts";

export type RecordFormat = "text" | "jsonl" | "raw";

export interface PrinterOptions {
  readonly format: RecordFormat;
  /** Only payloads that hold these bytes. */
  readonly filter: Buffer | undefined;
  readonly kind: number | undefined;
  readonly limit: number;
  /** Makes rows or points of records, which are printed instead. */
  readonly decoder: RecordDecoder | undefined;
  /** Records before it, in LSN or time, are read and not printed. */
  readonly fromLsn?: number | undefined;
  readonly fromMs?: number | undefined;
}

type WalRecord = LogRecords["records"][number];

export class RecordPrinter {
  readonly #options: PrinterOptions;
  readonly #context: CommandContext;
  #printed = 0;
  #damagedPlaces = 0;
  #hasHeading = false;

  constructor(options: PrinterOptions, context: CommandContext) {
    this.#options = options;
    this.#context = context;
  }

  /** True when enough was printed, or nobody reads any more. */
  get isDone(): boolean {
    return this.#printed >= this.#options.limit || this.#context.output.isGone;
  }

  get damagedPlaces(): number {
    return this.#damagedPlaces;
  }

  async print(part: LogPart): Promise<void> {
    if (part.kind !== "records") {
      await this.#printNote(part);
      return;
    }
    for (const record of part.records) {
      if (this.isDone) return;
      if (!this.#isWanted(record, part.timeMs)) {
        this.#decoded(record, () => this.#options.decoder?.skip(record));
        continue;
      }
      this.#printed++;
      await this.#printRecord(record, part);
      if (this.#context.output.isFull) await this.#context.output.flush();
    }
  }

  #isWanted({ lsn, kind, payload }: WalRecord, timeMs: number): boolean {
    const { filter, fromLsn = 0, fromMs = 0 } = this.#options;
    if (lsn < fromLsn || timeMs < fromMs) return false;
    if (this.#options.kind !== undefined && kind !== this.#options.kind) return false;
    if (filter === undefined) return true;
    return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes(filter);
  }

  async #printRecord(record: WalRecord, part: LogRecords): Promise<void> {
    const { output, terminal } = this.#context;
    const { format, decoder } = this.#options;
    if (decoder !== undefined) {
      this.#printRows(record, decoder);
      return;
    }
    switch (format) {
      case "text":
        if (!this.#hasHeading) output.line(recordHeading(terminal));
        this.#hasHeading = true;
        output.line(recordLine(record, part.timeMs, terminal));
        return;
      case "jsonl":
        output.json(recordJson(record, part), false);
        return;
      case "raw":
        await output.bytes(record.payload);
    }
  }

  #printRows(record: WalRecord, decoder: RecordDecoder): void {
    const { output, terminal } = this.#context;
    const { format } = this.#options;
    this.#decoded(record, () => {
      if (format === "jsonl") {
        for (const row of decoder.objects(record)) output.json({ lsn: record.lsn, ...row }, false);
        return;
      }
      for (const { head, line } of decoder.lines(record, terminal)) {
        const where = terminal.paint("dim", `${String(record.lsn).padStart(10)}  ${head}`);
        output.line(format === "raw" ? line : `${where}  ${line}`);
      }
    });
  }

  #decoded(record: WalRecord, decode: () => void): void {
    try {
      decode();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const what = this.#options.decoder?.what ?? "record";
      throw new CommandFailure(
        EXIT_USAGE,
        `record ${record.lsn} is no ${what}: ${text}; leave out --decode`,
        { cause: error },
      );
    }
  }

  /** What lies between records. */
  async #printNote(part: Exclude<LogPart, LogRecords>): Promise<void> {
    const { output, note } = this.#context;
    if (part.kind === "damage") this.#damagedPlaces++;
    if (this.#options.format === "jsonl") {
      output.json({ note: part.kind, ...(part.kind === "damage" ? part.damage : part) }, false);
      return;
    }
    // In order with the records around it, where both go to one terminal.
    await output.flush();
    note(`walnut: ${noteText(part)}`);
  }
}

function noteText(part: Exclude<LogPart, LogRecords>): string {
  switch (part.kind) {
    case "damage":
      return damageText(part.damage);
    case "gap":
      return `LSN ${formatLsns(part.firstLsn, part.lastLsn)} was lost to damage before and given up`;
    case "missed":
      return `LSN ${formatLsns(part.firstLsn, part.lastLsn)} was released before it could be read`;
    case "cut":
      return `the log was cut behind LSN ${part.lastLsn}; what follows takes the place of what was printed`;
  }
}
