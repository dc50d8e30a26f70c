#!/usr/bin/env node
/**
 * What npm installs as `walnut`: sets up the process, then runs the program.
 *
 * Every running query, Parquet file and decompression holds a thread of the pool that the log writes with. With the
 * four of Node's default, two queries and two flushes would stop every write. The size is read once, when the
 * pool is first used, and that is before a module of the newer kind begins: hence CommonJS.
 *
 * Requests live outside of the JavaScript heap, which stays at a few megabytes, and V8 collects garbage when the
 * sum has grown by a factor of 1.1 to 4. Near the lower end, collecting took a third of the server's CPU time.
 */

/** Threads beside those that queries and flushes may hold (docs/configuration.md). */
const POOL_THREADS = 16;

/** Growth of the heap between collections, always the largest that V8 would choose by itself. */
const HEAP_GROWING_PERCENT = 300;

process.env["UV_THREADPOOL_SIZE"] ||= String(POOL_THREADS);
process
  .getBuiltinModule("node:v8")
  .setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
void import("./walnut.ts");
