/**
 * `npm start`, first step: room in the thread pool for queries and flushes beside the log's writes, as
 * packages/cli/src/launch.cts makes it and for its reasons; then `start.mjs`.
 */
process.env["UV_THREADPOOL_SIZE"] ||= "16";
void import("./start.mjs");
