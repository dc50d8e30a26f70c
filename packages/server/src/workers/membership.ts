/**
 * What being one of several workers means for the server of a process; a server alone has {@link singleMembership}.
 */
import type { Decisions } from "../coordinator/remote-decisions.ts";
import { listenHttp, type HttpListener } from "../http/http-server.ts";
import type { RequestHandler } from "../http/request-handler.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import type { ReadPeers } from "../server-storage.ts";
import type { Supervision } from "./supervision.ts";
import { SingleWorker, type WorkerGroup } from "./worker-group.ts";

/** One process among the workers of a server. */
export interface Membership {
  readonly group: WorkerGroup;
  /** Shards that the data directory has; `undefined`: look when recovery begins. */
  readonly existingShards: readonly number[] | undefined;
  /** How long to wait for a dying process to let go of a log, in milliseconds. */
  readonly lockWaitMs: number;
  /** `undefined` where there are no other workers. */
  readonly peers: { readonly decisions: Decisions; readonly read: ReadPeers } | undefined;
  /** Opens the port, or takes what another process has accepted there. */
  readonly openPort: (
    options: ResolvedServerOptions,
    handler: RequestHandler,
  ) => Promise<HttpListener>;
  /** False: the port is opened when recovery is done, as others serve it meanwhile. */
  readonly listensAtOnce: boolean;
  /** True for the process that is the server, and writes its number into the data directory. */
  readonly isMain: boolean;
  /** What the primary knows; `undefined` without one, and before it has said anything. */
  readonly supervision: () => Supervision | undefined;
  /** Called when no request is in flight any more; resolves when the storage may be closed. */
  readonly onDrained: () => Promise<void>;
}

/** A server of one process. */
export function singleMembership(): Membership {
  return {
    group: new SingleWorker(),
    existingShards: undefined,
    lockWaitMs: 0,
    peers: undefined,
    openPort: listenHttp,
    listensAtOnce: true,
    isMain: true,
    supervision: () => undefined,
    onDrained: () => Promise.resolve(),
  };
}
