/** A server for tests with other people's programs. */
import type { TestContext } from "node:test";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { queryRows } from "../process/server-process.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

export const TOKEN = "client-test-token";

/** Starts a server that is closed when the test ends. */
export async function startServer(context: TestContext): Promise<WalnutServer> {
  const dataDirectory = await temporaryDirectory();
  const server = await openServer({ port: 0, token: TOKEN, dataDirectory });
  context.after(() => server.close());
  await server.ready;
  return server;
}

/** Rows of a query; `undefined` while its table is not there. */
export async function rowsOf(
  server: WalnutServer,
  sql: string,
): Promise<readonly (readonly unknown[])[] | undefined> {
  try {
    return await queryRows(server.url, TOKEN, sql);
  } catch (error) {
    if (error instanceof Error && error.message.includes("unknown table")) return undefined;
    throw error;
  }
}
