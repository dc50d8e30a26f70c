/**
 * Where the built console is: static files that the server serves.
 *
 * The user interface itself is made for browsers and bundled at build time; a server needs only this path, and the types
 * of what it has to answer.
 */

/** Directory of the built files, with a slash at the end. Missing until the console has been built. */
export const CONSOLE_DIRECTORY: URL = new URL("../dist/site/", import.meta.url);

export type {
  ForwardedCategory,
  ForwarderOverview,
  ForwarderStatus,
  Histogram,
  LogOverview,
  Overview,
  Phase,
  RecoveryOverview,
  RecoveryProgressOverview,
  RequestOverview,
  SegmentOverview,
  StoreOverview,
  TableNumbers,
  TableOverview,
  TablesOverview,
  WorkerOverview,
} from "./overview.ts";
