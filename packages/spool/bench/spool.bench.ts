/**
 * How fast items go through a spool: put and drained at each level, thirteen categories at once beside one, and how soon a restart with a
 * large backlog ships.
 *
 *     npm run bench -- spool [--items N] [--backlog-mib N] [--directory DIR]
 *
 * The upstream is an HTTP server in this process that reads and forgets, so it shares the processor with what is measured.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  DEFAULT_CATEGORIES,
  openForwarder,
  openSpool,
  type Forwarder,
  type SpoolOptions,
} from "@walnut/spool";

const { values: args } = parseArgs({
  options: {
    items: { type: "string", default: "40000" },
    "backlog-mib": { type: "string", default: "256" },
    directory: { type: "string", default: tmpdir() },
  },
});
const ITEM_COUNT = Number(args.items);
const BACKLOG_BYTES = Number(args["backlog-mib"]) * 1024 * 1024;
const ITEM_BYTES = 1024;
const WRITERS = 256;
const LEVELS = ["fsync", "fdatasync", "interval", "async", "memory"] as const;
const BYTES_PER_MB = 1e6;
const MS_PER_SECOND = 1_000;
const item = new Uint8Array(ITEM_BYTES).fill(0x61);

/** Reads and forgets; tells when the first request is there. */
class Sink {
  readonly #server: Server;
  firstRequest: Promise<void> = Promise.resolve();
  #onRequest: () => void = () => undefined;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#onRequest();
      request.resume().on("end", () => response.writeHead(204).end());
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  expectFirst(): void {
    this.firstRequest = new Promise((resolve) => (this.#onRequest = resolve));
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function forwarderOn(to: string, spool: SpoolOptions): Promise<Forwarder> {
  return openForwarder({ spool, to, protocol: "category", encoding: "none" });
}

/** Puts items from many writers at once. */
async function putAll(
  put: (category: string) => Promise<unknown>,
  count: number,
  categories: readonly string[],
): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) await put(categories[next++ % categories.length] ?? "");
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / MS_PER_SECOND;
}

function rate(count: number, took: number): string {
  const mb = (count * ITEM_BYTES) / took / BYTES_PER_MB;
  return `${Math.round(count / took).toLocaleString("en-US")} items/s, ${mb.toFixed(1)} MB/s`;
}

async function throughput(
  to: string,
  name: string,
  options: Omit<SpoolOptions, "directory"> & { readonly categories: readonly string[] },
): Promise<void> {
  const directory = mkdtempSync(join(args.directory, "walnut-bench-"));
  const forwarder = await forwarderOn(to, { ...options, directory });
  forwarder.pause();
  const put = await seconds(() =>
    putAll((category) => forwarder.put(category, item), ITEM_COUNT, options.categories),
  );
  const drained = await seconds(() => forwarder.drain(600_000));
  await forwarder.close();
  rmSync(directory, { recursive: true });
  console.log(
    `${name.padEnd(28)} put ${rate(ITEM_COUNT, put)}; drained ${rate(ITEM_COUNT, drained)}`,
  );
}

async function backlog(to: string, sink: Sink): Promise<void> {
  const directory = mkdtempSync(join(args.directory, "walnut-bench-"));
  const spool = { directory, categories: ["logging"], maxBytesPerCategory: 2 * BACKLOG_BYTES };
  const large = new Uint8Array(64 * 1024).fill(0x61);
  const filled = await openSpool({ ...spool, durability: "async" });
  const count = Math.ceil(BACKLOG_BYTES / large.byteLength);
  await putAll((category) => filled.put(category, large), count, ["logging"]);
  await filled.close();
  sink.expectFirst();
  let forwarder: Forwarder | undefined;
  const first = await seconds(async () => {
    forwarder = await forwarderOn(to, spool);
    await sink.firstRequest;
  });
  const all = await seconds(async () => await forwarder?.drain(600_000));
  await forwarder?.close();
  rmSync(directory, { recursive: true });
  // Of the process that also filled the spool and is the upstream: an upper bound of what the forwarder takes.
  const mostMib = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(
    `backlog/${args["backlog-mib"]}MiB`.padEnd(28),
    `first upload after ${Math.round(first * MS_PER_SECOND)} ms;`,
    `drained ${(BACKLOG_BYTES / all / BYTES_PER_MB).toFixed(1)} MB/s; memory at most ${mostMib} MiB`,
  );
}

const sink = new Sink();
const to = await sink.listen();
console.log(`items of ${ITEM_BYTES} bytes, ${WRITERS} writers, ${ITEM_COUNT} items a line`);
for (const durability of LEVELS) {
  await throughput(to, `1 category/${durability}`, { categories: ["logging"], durability });
}
await throughput(to, "13 categories/fdatasync", { categories: DEFAULT_CATEGORIES });
await backlog(to, sink);
sink.close();
