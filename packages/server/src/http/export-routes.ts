/**
 * Export over HTTP: `GET /api/v1/export?db&measurement&start&stop&format=lp|jsonl|csv|parquet`.
 *
 * Every row whose write was answered before is in it, once, whichever worker took it. Text is streamed, Parquet is
 * written to a file first. An export that fails after its first byte cuts the connection, so that a part is never
 * taken for the whole.
 */
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { ServerError } from "../errors.ts";
import { ExportFiles } from "../export/export-file.ts";
import { answerExportParts, holdTable } from "../export/export-parts.ts";
import type { ServerLogger } from "../server-options.ts";
import type { ServerStorage } from "../server-storage.ts";
import type { CatalogFile } from "../store/catalog-record.ts";
import { narrowTable, type ExportedTable, type ExportRange } from "../store/table-export.ts";
import type { WorkerGroup } from "../workers/worker-group.ts";
import type { Exchange } from "./exchange.ts";
import { EXPORT_FORMATS, exportNote, rowFormatter, type ExportFormat } from "./export-format.ts";
import type { Route } from "./router.ts";
import { parseTimeNs } from "./time-parameter.ts";

/** Each export holds a thread of the process's pool. */
const MAX_EXPORTS = 2;

export interface ExportRoutesOptions {
  readonly storage: () => ServerStorage;
  readonly group: WorkerGroup;
  readonly dataDirectory: string;
  readonly logger: Pick<ServerLogger, "error">;
}

/** What is exported. */
interface ExportJob {
  readonly table: ExportedTable;
  readonly range: ExportRange;
  readonly format: ExportFormat;
  /** True where types are told, so that it can be read back exactly. */
  readonly isAnnotated: boolean;
  /** Ends the export early. */
  readonly signal: AbortSignal;
}

/** Exports that this process serves. */
export class ExportService {
  readonly #options: ExportRoutesOptions;
  readonly #files: ExportFiles;
  readonly #running = new Map<AbortController, Promise<void>>();

  constructor(options: ExportRoutesOptions) {
    this.#options = options;
    this.#files = new ExportFiles(options.dataDirectory, options.group);
  }

  /** Says how this worker answers what exports of other workers ask. Once, at start. */
  answerQuestions(): void {
    answerExportParts(this.#options);
  }

  routes(): readonly Route[] {
    return [
      {
        name: "export",
        method: "GET",
        path: "/api/v1/export",
        access: "read",
        availability: "ready",
        handle: async (exchange) => await this.#serve(exchange),
      },
    ];
  }

  /** Removes what a crash has left. In the background; nothing waits for it. */
  start(): void {
    this.#files.removeLeftovers().catch((error: unknown) => {
      this.#options.logger.error(`old exports could not be removed: ${messageOf(error)}`);
    });
  }

  /** Cuts the exports under way. */
  async stop(): Promise<void> {
    for (const stop of this.#running.keys()) stop.abort(stopping());
    await Promise.all(this.#running.values());
  }

  async #serve(exchange: Exchange): Promise<void> {
    if (this.#running.size >= MAX_EXPORTS) {
      const message = `${MAX_EXPORTS} exports are running; try again later`;
      throw new ServerError("SERVER_OVERLOADED", message);
    }
    const stop = new AbortController();
    const work = this.#export(exchange, stop);
    this.#running.set(
      stop,
      work.catch(() => undefined),
    );
    try {
      await work;
    } finally {
      this.#running.delete(stop);
    }
  }

  async #export(exchange: Exchange, stop: AbortController): Promise<void> {
    const { response } = exchange;
    const { logger, group } = this.#options;
    const request = readRequest(exchange);
    const { signal } = stop;
    const held = await holdTable(group, request.name, (reason) => stop.abort(reason));
    response.once("close", () => stop.abort(stopping()));
    exchange.endWithClient();
    try {
      const table = narrowTable(held.table, request.range);
      const job = { ...request, table, signal };
      response.setHeader(
        "X-Walnut-Rows",
        sum(table, ({ rows }) => rows),
      );
      if (request.format === "parquet") await this.#sendFile(exchange, job);
      else await this.#sendText(exchange, job, request.format);
    } catch (error) {
      if (!response.headersSent) throw signal.aborted ? signal.reason : error;
      // The client has a part of it: only a cut connection says that it is one.
      if (!response.destroyed) logger.error(`an export was cut: ${messageOf(error)}`, request.name);
      response.destroy();
    } finally {
      await held.release();
    }
  }

  async #sendText(
    exchange: Exchange,
    { table, range, isAnnotated, signal }: ExportJob,
    format: Exclude<ExportFormat, "parquet">,
  ): Promise<void> {
    const { response } = exchange;
    const formatter = rowFormatter(format, table, isAnnotated);
    response.setHeader("Content-Type", formatter.contentType);
    let text = formatter.head;
    for await (const chunk of this.#ownStore.readRows(table, range)) {
      signal.throwIfAborted();
      text += formatter.format(chunk);
      if (!response.write(text)) await once(response, "drain", { signal });
      text = "";
    }
    signal.throwIfAborted();
    response.end(text);
  }

  async #sendFile(exchange: Exchange, { table, range, signal }: ExportJob): Promise<void> {
    const { response } = exchange;
    const sourceBytes = sum(table, ({ bytes }) => bytes);
    const file = await this.#files.make(sourceBytes, async (path) => {
      await this.#ownStore.copyRows(table, { ...range, path, note: exportNote(table), signal });
    });
    try {
      const { size } = await file.stat();
      response.writeHead(200, {
        "Content-Type": "application/vnd.apache.parquet",
        "Content-Length": size,
      });
      await pipeline(file.createReadStream({ autoClose: false }), response, { signal });
    } finally {
      await file.close();
    }
  }

  get #ownStore(): ServerStorage["store"]["dataLife"] {
    return this.#options.storage().store.dataLife;
  }
}

function readRequest(exchange: Exchange): Omit<ExportJob, "table" | "signal"> & {
  readonly name: { readonly database: string; readonly measurement: string };
} {
  const [start, stop] = [exchange.parameter("start"), exchange.parameter("stop")];
  return {
    name: {
      database: required(exchange, "db"),
      measurement: required(exchange, "measurement"),
    },
    format: formatOf(exchange),
    isAnnotated: exchange.parameter("annotate") === "true",
    range: {
      startNs: start === undefined ? undefined : parseTimeNs("start", start),
      stopNs: stop === undefined ? undefined : parseTimeNs("stop", stop),
    },
  };
}

function sum({ groups }: ExportedTable, value: (file: CatalogFile) => number): number {
  return groups.flatMap(({ files }) => files).reduce((total, file) => total + value(file), 0);
}

function required(exchange: Exchange, name: string): string {
  const value = exchange.parameter(name);
  if (value !== undefined && value !== "") return value;
  throw new ServerError("SERVER_INVALID_REQUEST", `${name} is missing: give it as ?${name}=NAME`);
}

function formatOf(exchange: Exchange): ExportFormat {
  const text = exchange.parameter("format") ?? "lp";
  const format = EXPORT_FORMATS.find((each) => each === text);
  if (format !== undefined) return format;
  throw new ServerError(
    "SERVER_INVALID_REQUEST",
    `format is ${JSON.stringify(text)}; expected one of ${EXPORT_FORMATS.join(", ")}`,
  );
}

function stopping(): ServerError {
  return new ServerError("SERVER_NOT_READY", "the export was stopped");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
