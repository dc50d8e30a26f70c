#!/usr/bin/env node
/**
 * What npm installs as `walnut`: makes room in the thread pool, then runs the program.
 *
 * Every running query, Parquet file and decompression holds a thread of the pool that the log writes with. With the
 * four of Node's default, two queries and two flushes would stop every write. The size is read once, when the
 * pool is first used, and that is before a module of the newer kind begins: hence CommonJS.
 */

/** Threads beside those that queries and flushes may hold (docs/configuration.md). */
const POOL_THREADS = 16;

process.env["UV_THREADPOOL_SIZE"] ||= String(POOL_THREADS);
void import("./walnut.ts");
