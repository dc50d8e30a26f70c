/**
 * Starts a server: in this process, or with several workers in processes of their own.
 *
 * What runs it is loaded when it starts. So commands that only read options are quick, and a primary, which answers no query, has
 * no engine for queries in its memory.
 */
import { prepareDataDirectory } from "./data-directory.ts";
import { placeLog } from "./log-place.ts";
import { resolveServerOptions } from "./resolve-server-options.ts";
import type { ServerOptions } from "./server-options.ts";
import type { WalnutServer } from "./walnut-server.ts";
import { singleMembership } from "./workers/membership.ts";

/**
 * Starts a server. Resolves when the port answers, which is before recovery has ended: see {@link WalnutServer.ready}.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`, `SERVER_LISTEN_FAILED`
 */
export async function openServer(options: ServerOptions = {}): Promise<WalnutServer> {
  const resolved = resolveServerOptions(options);
  const dataDirectory = await prepareDataDirectory(resolved.dataDirectory);
  await placeLog(dataDirectory, resolved.walDirectory);
  if (resolved.workers > 1) {
    const { openPrimary } = await import("./workers/primary.ts");
    return await openPrimary(resolved, dataDirectory);
  }
  const { openServerProcess } = await import("./server-process.ts");
  return await openServerProcess(resolved, { dataDirectory, membership: singleMembership() });
}
