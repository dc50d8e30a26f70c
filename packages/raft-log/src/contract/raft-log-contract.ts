/**
 * The contract of Raft storage as runnable cases: every backend of ours passes them, and so should any other.
 *
 *     for (const { title, run } of raftLogContract(makePlace)) test(title, run);
 *
 * Modelled after what openraft and etcd's raft library ask of a storage. What survives a power loss cannot be seen from here; that
 * is explored on a simulated disk.
 */
import type { RaftLog } from "../raft-log.ts";
import { compactionCases } from "./compaction-contract.ts";
import type { Declare, RaftLogContractCase, RaftLogPlace } from "./contract-case.ts";
import { readCases } from "./read-contract.ts";
import { saveCases } from "./save-contract.ts";

/**
 * The cases, each on a storage of its own.
 *
 * @param make - makes a new, empty storage. What was closed must be there when it is opened again
 * @param options.survives - false for a storage that forgets when it is closed: the cases then go on without a restart
 */
export function raftLogContract(
  make: () => Promise<RaftLogPlace>,
  { survives = true }: { readonly survives?: boolean } = {},
): readonly RaftLogContractCase[] {
  const cases: RaftLogContractCase[] = [];
  const declare: Declare = (title, run) => {
    cases.push({ title, run: () => runCase(make, survives, run) });
  };
  saveCases(declare);
  readCases(declare);
  compactionCases(declare);
  return cases;
}

async function runCase(
  make: () => Promise<RaftLogPlace>,
  survives: boolean,
  run: Parameters<Declare>[1],
): Promise<void> {
  const place = await make();
  let log: RaftLog | undefined;
  try {
    log = await place.open();
    const first = log;
    await run(first, async () => {
      if (!survives) return first;
      await log?.close();
      log = await place.open();
      return log;
    });
  } finally {
    await log?.close();
    await place.remove();
  }
}
