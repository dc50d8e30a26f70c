/**
 * `walnut export`: all rows of a measurement, or of every measurement of a database, from a running server into a file or a pipe.
 *
 * A file appears under its name when it is complete and on the disk: one that is there has every row.
 */
import type { IncomingMessage } from "node:http";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { CommandFailure } from "./command-failure.ts";
import type { CommandContext } from "./command-context.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import type { ProgressBar } from "./progress-bar.ts";
import { plural } from "./quantity-text.ts";
import { serverClient, type ServerClient } from "./server-client.ts";
import { formatBytes } from "./serve-text.ts";

export const TRANSFER_FORMATS = ["lp", "csv", "jsonl", "parquet"] as const;
export type TransferFormat = (typeof TRANSFER_FORMATS)[number];

const NEWLINE = 0x0a;

export interface ExportFlags {
  readonly url: string;
  readonly db: string;
  readonly measurement?: string;
  readonly start?: string;
  readonly stop?: string;
  readonly format: TransferFormat;
  readonly output?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** Where the bytes go. */
interface Target {
  write(bytes: Uint8Array): Promise<void>;
}

/** Exports. */
export async function exportCommand(flags: ExportFlags, context: CommandContext): Promise<number> {
  const { output, terminal, note } = context;
  if (flags.json === true && flags.output === undefined) {
    throw new CommandFailure(
      EXIT_USAGE,
      "--json needs --output FILE: the rows go to standard output",
    );
  }
  if (flags.format === "parquet") assertParquet(flags, terminal.isTerminal);
  const { variables } = context.environment;
  const { url, tokenFile } = flags;
  const client = await serverClient({ url, tokenFile, variables, right: "read" });
  const measurements =
    flags.measurement === undefined
      ? await listMeasurements(client, flags.db)
      : [flags.measurement];
  const bar = context.progressBar("export", flags.json === true);
  let bytes = 0;
  const run = async (target: Target): Promise<void> => {
    bytes = await exportAll(client, { flags, measurements, bar }, target);
  };
  if (flags.output === undefined) {
    await run({ write: async (piece) => await output.bytes(piece) });
  } else {
    await toFile(flags.output, run);
  }
  const summary = { database: flags.db, measurements, format: flags.format, bytes };
  if (flags.json === true) output.json({ ...summary, output: flags.output }, terminal.isTerminal);
  else if (flags.output !== undefined) {
    note(`${flags.output}: ${plural(measurements.length, "measurement")}, ${formatBytes(bytes)}`);
  }
  await output.flush();
  return EXIT_OK;
}

function assertParquet({ measurement, output }: ExportFlags, isTerminal: boolean): void {
  if (measurement === undefined) {
    throw new CommandFailure(
      EXIT_USAGE,
      "a Parquet file holds one measurement: give --measurement NAME",
    );
  }
  if (output === undefined && isTerminal) {
    throw new CommandFailure(EXIT_USAGE, "Parquet is nothing for a terminal: give --output FILE");
  }
}

async function listMeasurements(client: ServerClient, database: string): Promise<string[]> {
  const search = new URLSearchParams({ db: database, q: "SHOW MEASUREMENTS" });
  const answer = (await (await client.get(`/query?${search.toString()}`)).json()) as {
    results?: { series?: { values: [string][] }[] }[];
  };
  const names = answer.results?.[0]?.series?.[0]?.values.map(([name]) => name) ?? [];
  if (names.length > 0) return names;
  throw new CommandFailure(
    EXIT_USAGE,
    `${client.base} has no measurement in database "${database}"`,
  );
}

async function exportAll(
  client: ServerClient,
  work: {
    readonly flags: ExportFlags;
    readonly measurements: readonly string[];
    readonly bar: ProgressBar;
  },
  target: Target,
): Promise<number> {
  const { flags, measurements, bar } = work;
  let bytes = 0;
  try {
    for (const [index, measurement] of measurements.entries()) {
      // As between the tables of InfluxDB's annotated CSV.
      if (flags.format === "csv" && index > 0) await target.write(Buffer.from("\n"));
      const response = await client.download(`/api/v1/export?${searchOf(flags, measurement)}`);
      const totalRows = Number(response.headers["x-walnut-rows"] ?? 0);
      let lines = 0;
      for await (const piece of bodyOf(response, client)) {
        await target.write(piece);
        bytes += piece.byteLength;
        if (flags.format === "parquet") continue; // It was made before its first byte came.
        lines += countLines(piece);
        bar.report(lines, totalRows, `${measurement}, ${formatBytes(bytes)}`);
      }
    }
  } finally {
    bar.clear();
  }
  return bytes;
}

/** As good as rows, for people. */
function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

function searchOf(flags: ExportFlags, measurement: string): string {
  const { db, start, stop, format } = flags;
  const search = new URLSearchParams({ db, measurement, format });
  if (format === "csv" || format === "jsonl") search.set("annotate", "true");
  if (start !== undefined) search.set("start", start);
  if (stop !== undefined) search.set("stop", stop);
  return search.toString();
}

/** The bytes of an answer. One that ends early is a failure: a part would pass for the whole. */
async function* bodyOf(
  response: IncomingMessage,
  client: ServerClient,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const pieces = (response as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  for (;;) {
    let result: IteratorResult<Uint8Array>;
    try {
      result = await pieces.next();
    } catch (error) {
      failure = error;
      break;
    }
    if (result.done === true) break;
    yield result.value;
  }
  if (failure === undefined && response.complete) return;
  const message = `${client.base} cut the export: what came is a part only; the server's log says why`;
  throw new CommandFailure(EXIT_FAILURE, message, { cause: failure });
}

/** Complete and synced before it has its name; a failure leaves nothing. */
async function toFile(path: string, run: (target: Target) => Promise<void>): Promise<void> {
  const partialPath = `${path}.partial`;
  const file = await openForWriting(partialPath);
  try {
    try {
      await run({ write: async (bytes) => await writeAll(file, bytes) });
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partialPath, path);
  } catch (error) {
    await rm(partialPath, { force: true });
    throw error;
  }
}

async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, "w", 0o600);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(EXIT_USAGE, `--output cannot be written: ${reason}`, { cause: error });
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, done);
    done += bytesWritten;
  }
}
