/**
 * One node of a cluster of liferaft, in its own process: `liferaft-node.ts DIRECTORY ADDRESS MEMBERS`. Its parent is the network.
 *
 * Tells first what its log holds, and then every packet it sends and every entry it sees committed. Ends when the channel closes.
 */
import { LifeRaft } from "./liferaft.ts";
import { isRaftLogError, liferaftLog, openRaftLog, type LiferaftLog } from "@walnut/raft-log";
import type { FromNode, Packet, ToNode } from "./liferaft-messages.ts";

const [directory = "", address = "", members = ""] = process.argv.slice(2);
const others = members.split(",").filter((name) => name !== address);

function tell(message: FromNode): void {
  process.send?.(message);
}

const log = await openRaftLog({
  storageRootDirectory: directory,
  clusterId: 1,
  peerId: members.split(",").indexOf(address) + 1,
  segmentSizeBytes: 64 * 1024,
  cacheBytes: 2000,
});
const found = await log.entries(log.firstIndex, log.lastIndex + 1);
const { hardState } = log.initialState();
tell({
  kind: "found",
  term: hardState.term,
  vote: String(hardState.vote),
  commit: hardState.commit,
  entries: found.map(({ index, term, data }) => [index, term, Buffer.from(data).toString()]),
});

const replies = new Map<number, (error: unknown, packet?: Packet) => void>();
let packets = 0;

const raft = new LifeRaft(address, {
  "election min": "300 millisecond",
  "election max": "700 millisecond",
  heartbeat: "60 millisecond",
  Log: liferaftLog(log, {
    members: members.split(","),
    onCommit: ({ index, term, command }) =>
      tell({ kind: "committed", index, term, text: JSON.stringify(command) }),
  }),
});
const adapter = raft.log as LiferaftLog;
for (const other of others) {
  raft.join<Packet>(other, (packet, reply) => {
    const id = ++packets;
    replies.set(id, reply);
    void adapter.ready().then(() => tell({ kind: "packet", to: other, id, packet }));
  });
}
raft.on("error", () => undefined); // Stale terms, which elections are made of.
raft.on("leader", () => tell({ kind: "leader" }));
// liferaft catches nothing. It looks, waits, and acts on what it saw: by then an entry may be gone, or another term be there. The
// storage refuses, and nothing was promised.
process.on("unhandledRejection", (reason) => {
  if (isRaftLogError(reason, "RAFT_UNAVAILABLE") || isRaftLogError(reason, "RAFT_OUT_OF_ORDER"))
    return;
  tell({ kind: "failed", text: reason instanceof Error ? String(reason.stack) : String(reason) });
});

/** One at a time, as liferaft looks at its votes, waits, and then gives one. */
let turn: Promise<void> = Promise.resolve();

process.on("message", (message: ToNode) => {
  turn = turn
    .then(() => take(message))
    .catch((error: unknown) => tell({ kind: "failed", text: String(error) }));
});
process.on("disconnect", () => process.exit(0));

/** liferaft may answer with a promise of a packet. */
async function answer(
  to: string,
  id: number,
  promised: Packet | Promise<Packet> | undefined,
): Promise<void> {
  const packet = await promised;
  await adapter.ready();
  tell({ kind: "reply", to, id, packet });
}

async function take(message: ToNode): Promise<void> {
  switch (message.kind) {
    case "command":
      await raft.command({ n: message.n }).catch((error: unknown) => {
        const isDeposed = error instanceof Error && error.message === "NOTLEADER";
        if (!isDeposed && !isRaftLogError(error, "RAFT_OUT_OF_ORDER")) throw error;
      });
      return;
    case "packet": {
      await adapter.admit(message.packet);
      const isVote = message.packet.type === "vote";
      const answered = new Promise<void>((resolve) => {
        raft.emit("data", message.packet, (packet?: Packet | Promise<Packet>) => {
          resolve();
          void answer(message.from, message.id, packet);
        });
      });
      if (isVote) await answered;
      return;
    }
    case "reply": {
      const reply = replies.get(message.id);
      replies.delete(message.id);
      if (message.packet !== undefined) await adapter.admit(message.packet);
      reply?.(undefined, message.packet);
      return;
    }
  }
}
