/**
 * What is decided in another process: calls by name on the worker's side, dispatched on the primary's.
 *
 * Two tables are kept there, column types and known writes. To add a decision, add it to one of their interfaces and
 * to both functions here; the compiler asks for it.
 */
import type { WriteIdentity } from "../idempotency/write-identity.ts";
import type { WriteCounts, WriteLedger, WriteVerdict } from "../idempotency/known-writes.ts";
import type { Coordinator, TableColumn, TableSchema } from "./coordinator.ts";

/** Everything that workers decide together, as one worker sees it. */
export type Decisions = Coordinator & WriteLedger;

/** Recovered identities of one message: some 500 KB. */
const MAX_WRITES_PER_MESSAGE = 5_000;

/** Sends a call and resolves with its answer. */
export type CoordinatorCall = (name: keyof Decisions, input: unknown) => Promise<unknown>;

/** A coordinator that is reached by calls. Both sides are of one version: what comes back has the right type. */
export function remoteDecisions(call: CoordinatorCall): Decisions {
  /** Not waited for: when the primary is gone, so is what it knew. */
  function tell(name: keyof Decisions, input: unknown): void {
    call(name, input).catch(() => undefined);
  }
  return {
    reserveColumns: async (columns) =>
      (await call("reserveColumns", columns)) as readonly TableColumn[],
    releaseColumns: (columns) => tell("releaseColumns", columns),
    reportSchemas: async (tables) => {
      await call("reportSchemas", tables);
    },
    reserveWrite: async (identity) => (await call("reserveWrite", identity)) as WriteVerdict,
    completeWrite: (identity) => tell("completeWrite", identity),
    abandonWrite: (identity) => tell("abandonWrite", identity),
    reportWrites: async (identities) => {
      // One after the other: a message is copied and parsed as a whole, while the primary does nothing else.
      let from = 0;
      for (; identities.length - from > MAX_WRITES_PER_MESSAGE; from += MAX_WRITES_PER_MESSAGE) {
        const part = identities.slice(from, from + MAX_WRITES_PER_MESSAGE);
        await call("reportSomeWrites", part);
      }
      await call("reportWrites", identities.slice(from));
    },
    reportSomeWrites: async (identities) => {
      await call("reportSomeWrites", identities);
    },
    countWrites: async () => (await call("countWrites", undefined)) as WriteCounts,
  };
}

/** Carries out a call in the process that decides. */
export async function dispatchDecision(
  decisions: Decisions,
  { name, input }: { readonly name: string; readonly input: unknown },
): Promise<unknown> {
  switch (name as keyof Decisions) {
    case "reserveColumns":
      return await decisions.reserveColumns(input as readonly TableColumn[]);
    case "releaseColumns":
      decisions.releaseColumns(input as readonly TableColumn[]);
      return undefined;
    case "reportSchemas":
      await decisions.reportSchemas(input as readonly TableSchema[]);
      return undefined;
    case "reserveWrite":
      return await decisions.reserveWrite(input as WriteIdentity);
    case "completeWrite":
      decisions.completeWrite(input as WriteIdentity);
      return undefined;
    case "abandonWrite":
      decisions.abandonWrite(input as WriteIdentity);
      return undefined;
    case "reportWrites":
      await decisions.reportWrites(input as readonly WriteIdentity[]);
      return undefined;
    case "reportSomeWrites":
      await decisions.reportSomeWrites(input as readonly WriteIdentity[]);
      return undefined;
    case "countWrites":
      return await decisions.countWrites();
  }
}
