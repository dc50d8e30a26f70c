/**
 * `walnut import`: files into a running server, each row once, also when it is interrupted and run again.
 */
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { CommandFailure } from "./command-failure.ts";
import type { CommandContext } from "./command-context.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { TRANSFER_FORMATS, type TransferFormat } from "./export-command.ts";
import { csvBatches, jsonlBatches, parquetBatches } from "./import-rows.ts";
import { sendBatch, type BatchFate, type ImportTarget } from "./import-sender.ts";
import { LineBatcher, type Batch } from "./line-batches.ts";
import { formatCount, plural } from "./quantity-text.ts";
import { serverClient } from "./server-client.ts";

const PIECE_BYTES = 262_144; // 256 KiB

/** The server makes them durable together. */
const BATCHES_AT_ONCE = 4;

export interface ImportFlags {
  readonly url: string;
  readonly db: string;
  readonly format?: TransferFormat;
  readonly precision: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** What became of a file. */
interface ImportedFile {
  readonly file: string;
  readonly format: TransferFormat;
  readonly rows: number;
  /** Of them those that an earlier run had stored. */
  readonly knownRows: number;
  readonly batches: number;
}

/** How far a file has been read, in bytes on the disk. */
interface ReadMeter {
  bytes: number;
}

/** Imports. */
export async function importCommand(
  paths: readonly string[],
  flags: ImportFlags,
  context: CommandContext,
): Promise<number> {
  const { environment, output, terminal, note } = context;
  const { url, tokenFile } = flags;
  const files = await Promise.all(paths.map(async (path) => await describe(path, flags.format)));
  const { variables } = environment;
  const client = await serverClient({ url, tokenFile, variables, right: "write" });
  const bar = context.progressBar("import", flags.json === true);
  const target: ImportTarget = {
    client,
    database: flags.db,
    precision: flags.precision,
    monotonicMs: () => environment.monotonicMs(),
    onWait: (reason) => {
      bar.clear();
      note(`waiting: ${reason}`);
    },
  };
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let doneBytes = 0;
  const imported: ImportedFile[] = [];
  try {
    for (const file of files) {
      const result = await importFile(target, file, (bytes, rows) =>
        bar.report(doneBytes + bytes, totalBytes, `${file.name}, ${plural(rows, "row")}`),
      );
      imported.push(result);
      doneBytes += file.bytes;
    }
  } finally {
    bar.clear();
  }
  if (flags.json === true)
    output.json({ database: flags.db, files: imported }, terminal.isTerminal);
  else output.line(...imported.map(textOf));
  await output.flush();
  return EXIT_OK;
}

interface ImportFile {
  readonly path: string;
  readonly name: string;
  readonly format: TransferFormat;
  readonly bytes: number;
}

async function describe(path: string, format: TransferFormat | undefined): Promise<ImportFile> {
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) throw new Error("it is a directory");
    return { path, name: basename(path), format: format ?? formatOf(path), bytes: facts.size };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(EXIT_USAGE, `${path} cannot be read: ${reason}`, { cause: error });
  }
}

/** By the end of the name; line protocol has many. */
function formatOf(path: string): TransferFormat {
  const [, extension] = /\.([a-z]+)(?:\.gz)?$/i.exec(path) ?? [];
  const name = extension?.toLowerCase() === "ndjson" ? "jsonl" : extension?.toLowerCase();
  return TRANSFER_FORMATS.find((format) => format === name) ?? "lp";
}

async function importFile(
  target: ImportTarget,
  file: ImportFile,
  onProgress: (bytes: number, rows: number) => void,
): Promise<ImportedFile> {
  const meter: ReadMeter = { bytes: 0 };
  const underWay: Promise<readonly [Batch, BatchFate]>[] = [];
  let [rows, knownRows, batches] = [0, 0, 0];
  // In the order of the file, so that what is counted has no gap.
  async function finishFirst(): Promise<void> {
    const finished = await underWay.shift();
    if (finished === undefined) return;
    const [batch, fate] = finished;
    batches++;
    rows += batch.rows;
    if (fate === "known") knownRows += batch.rows;
    onProgress(meter.bytes, rows);
  }
  try {
    for await (const batch of batchesOf(file, meter)) {
      const sent = send(target, file, batch).then((fate) => [batch, fate] as const);
      sent.catch(() => undefined); // Looked at in its turn.
      underWay.push(sent);
      if (underWay.length >= BATCHES_AT_ONCE) await finishFirst();
    }
    while (underWay.length > 0) await finishFirst();
  } catch (error) {
    await Promise.allSettled(underWay);
    const exitCode = error instanceof CommandFailure ? error.exitCode : EXIT_USAGE;
    const reason = error instanceof Error ? error.message : String(error);
    const stored =
      rows === 0
        ? ""
        : `; ${plural(rows, "row")} before it are stored, and stored once if you run it again`;
    throw new CommandFailure(exitCode, `${file.path}: ${reason}${stored}`, { cause: error });
  }
  return { file: file.path, format: file.format, rows, knownRows, batches };
}

async function send(target: ImportTarget, file: ImportFile, batch: Batch): Promise<BatchFate> {
  try {
    return await sendBatch(target, file.name, batch);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const unit = file.format === "lp" ? "line" : "row";
    const message = `in the batch that begins at ${unit} ${formatCount(batch.position)}: ${error.message}`;
    throw new CommandFailure(error.exitCode, message, { cause: error });
  }
}

async function* batchesOf(file: ImportFile, meter: ReadMeter): AsyncGenerator<Batch> {
  switch (file.format) {
    case "lp": {
      const batcher = new LineBatcher();
      for await (const piece of bytesOf(file, meter)) yield* batcher.push(piece);
      yield* batcher.end();
      return;
    }
    case "csv":
      yield* csvBatches(textPieces(bytesOf(file, meter)));
      return;
    case "jsonl":
      yield* jsonlBatches(textPieces(bytesOf(file, meter)));
      return;
    case "parquet":
      yield* parquetBatches(file.path);
      return;
  }
}

/** The bytes of a file; those of a gzip file, whatever its name, unpacked. */
async function* bytesOf({ path }: ImportFile, meter: ReadMeter): AsyncGenerator<Uint8Array> {
  const packed = countBytes(createReadStream(path, { highWaterMark: PIECE_BYTES }), meter);
  if (!(await startsAsGzip(path))) {
    yield* packed;
    return;
  }
  const unpacked = createGunzip();
  // Its failure destroys `unpacked`, and is thrown where that is read.
  pipeline(packed, unpacked).catch(() => undefined);
  yield* unpacked as AsyncIterable<Uint8Array>;
}

async function* countBytes(
  pieces: AsyncIterable<Uint8Array>,
  meter: ReadMeter,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    meter.bytes += piece.byteLength;
    yield piece;
  }
}

async function startsAsGzip(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}

async function* textPieces(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const piece of pieces) yield decoder.decode(piece, { stream: true });
  yield decoder.decode();
}

function textOf({ file, rows, knownRows }: ImportedFile): string {
  const known = knownRows === 0 ? "" : `, ${formatCount(knownRows)} of them stored before`;
  return `${file}: ${plural(rows, "row")}${known}`;
}
