/**
 * Three nodes of liferaft on this storage, each a process; one is killed with SIGKILL again and again under load.
 *
 * After each kill: every entry the node had acknowledged is in its log, or was replaced in a later term; the vote it had given is its
 * vote; what it knows to be committed is what the others committed. In the end every entry that was ever committed stands on at least
 * two nodes, and each node has what it knows to be committed.
 *
 * `WALNUT_RAFT_KILLS=500 npm test -- liferaft-cluster` kills more often.
 */
import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SeededRandom } from "@walnut/testkit";
import { openRaftLog, VoteNames } from "@walnut/raft-log";
import type { FromNode, ToNode } from "./liferaft-messages.ts";

const KILLS = Number(process.env["WALNUT_RAFT_KILLS"] ?? "20");
/** Without the variable, kills end after this, however slow the machine is. */
const PATIENCE_MS =
  process.env["WALNUT_RAFT_KILLS"] === undefined ? 8_000 : Number.POSITIVE_INFINITY;
const MEMBERS = ["amber", "birch", "cedar"] as const;
const PROGRAM = join(import.meta.dirname, "liferaft-node.ts");

class Node {
  readonly name: string;
  readonly directory: string;
  process: ChildProcess | undefined;
  /** Term of each entry that this node acknowledged. */
  readonly acked = new Map<number, number>();
  /** Whom it voted for, by term. */
  readonly votes = new Map<number, string>();
  highestTerm = 0;

  constructor(name: string, directory: string) {
    this.name = name;
    this.directory = directory;
  }
}

class Cluster {
  readonly nodes: ReadonlyMap<string, Node>;
  /** Every entry that any node saw committed: term and text. */
  readonly committed = new Map<number, string>();
  leader: Node | undefined;
  problem: Error | undefined;
  #commands = 0;
  #onChange: (() => void)[] = [];

  constructor(root: string) {
    this.nodes = new Map(MEMBERS.map((name) => [name, new Node(name, join(root, name))]));
  }

  /** Starts a node, and judges what it found. */
  async start(node: Node): Promise<void> {
    const child = fork(PROGRAM, [node.directory, node.name, MEMBERS.join(",")], {
      execArgv: ["--conditions=@walnut/source", "--import", "tsx"],
    });
    node.process = child;
    const isUp = new Promise<void>((resolve) => {
      child.on("message", (message: FromNode) => {
        try {
          this.#take(node, message);
        } catch (error) {
          this.problem ??= error as Error;
        }
        if (message.kind === "found") resolve();
      });
    });
    await Promise.race([isUp, once(child, "exit").then(() => assert.fail(`${node.name} ended`))]);
  }

  async kill(node: Node): Promise<void> {
    if (this.leader === node) this.leader = undefined;
    node.process?.kill("SIGKILL");
    if (node.process !== undefined) await once(node.process, "exit");
    node.process = undefined;
  }

  command(): void {
    const child = this.leader?.process;
    if (child !== undefined) this.#send(child, { kind: "command", n: ++this.#commands });
  }

  /** Waits until a condition holds, under load. */
  async until(what: string, condition: () => boolean): Promise<void> {
    assert.ok(await this.holds(condition, 60_000), `not in time: ${what}`);
  }

  /** Whether a condition comes to hold in time, under load. */
  async holds(condition: () => boolean, patienceMs: number): Promise<boolean> {
    const untilMs = performance.now() + patienceMs;
    while (!condition()) {
      if (this.problem !== undefined) throw this.problem;
      if (performance.now() >= untilMs) return false;
      this.command();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 25);
        this.#onChange.push(() => (clearTimeout(timer), resolve()));
      });
    }
    return true;
  }

  #take(node: Node, message: FromNode): void {
    switch (message.kind) {
      case "found":
        this.#judge(node, message);
        return;
      case "packet":
        this.#note(node, message.packet);
        this.#deliver(message.to, {
          kind: "packet",
          from: node.name,
          id: message.id,
          packet: message.packet,
        });
        return;
      case "reply":
        if (message.packet !== undefined) this.#note(node, message.packet, message.to);
        this.#deliver(message.to, { kind: "reply", id: message.id, packet: message.packet });
        return;
      case "committed": {
        const entry = `${message.term} ${message.text}`;
        assert.equal(
          this.committed.get(message.index) ?? entry,
          entry,
          `entry ${message.index} of ${node.name}`,
        );
        this.committed.set(message.index, entry);
        for (const wake of this.#onChange.splice(0)) wake();
        return;
      }
      case "leader":
        this.leader = node;
        return;
      case "failed":
        assert.fail(`${node.name}: ${message.text}`);
    }
  }

  /** What a packet promises. */
  #note(
    node: Node,
    {
      type,
      term,
      data,
    }: { type: string; term: number; data?: { granted?: boolean; index?: number; term?: number } },
    to?: string,
  ): void {
    node.highestTerm = Math.max(node.highestTerm, term);
    if (type === "vote") node.votes.set(term, node.name);
    if (type === "voted" && data?.granted === true && to !== undefined) node.votes.set(term, to);
    if (type === "append ack" && data?.index !== undefined)
      node.acked.set(data.index, data.term ?? 0);
  }

  #judge(node: Node, found: FromNode & { kind: "found" }): void {
    const terms = new Map(found.entries.map(([index, term]) => [index, term]));
    found.entries.forEach(([index], position) => assert.equal(index, position + 1, "no gaps"));
    for (const [index, term] of node.acked) {
      assert.ok(
        (terms.get(index) ?? -1) >= term || isReplaced(found.entries, index, term),
        `${node.name} lost entry ${index} of term ${term}`,
      );
    }
    assert.ok(
      found.term >= node.highestTerm,
      `${node.name} went back to term ${found.term} from ${node.highestTerm}`,
    );
    const vote = node.votes.get(found.term);
    if (vote !== undefined)
      assert.equal(found.vote, String(new VoteNames().idOf(vote)), `${node.name} forgot a vote`);
    for (const [index, term, text] of found.entries) {
      if (index > found.commit) break;
      const entry = `${term} ${text}`;
      assert.equal(
        this.committed.get(index) ?? entry,
        entry,
        `committed entry ${index} of ${node.name}`,
      );
    }
  }

  #deliver(to: string, message: ToNode): void {
    const child = this.nodes.get(to)?.process;
    if (child !== undefined) this.#send(child, message);
  }

  #send(child: ChildProcess, message: ToNode): void {
    if (child.connected) child.send(message, () => undefined); // A node that dies meanwhile gets nothing, as on any network.
  }
}

/** A later leader cut the log before the entry and wrote on in a later term. */
function isReplaced(
  entries: readonly (readonly [number, number, string])[],
  index: number,
  term: number,
): boolean {
  const last = entries.at(-1);
  return last !== undefined && last[0] < index && last[1] > term;
}

/** All entries of a node, and how many of them it knows to be committed. */
async function readAll(
  node: Node,
): Promise<{ readonly entries: readonly string[]; readonly commit: number }> {
  const peerId = MEMBERS.findIndex((name) => name === node.name) + 1;
  await using log = await openRaftLog({
    storageRootDirectory: node.directory,
    clusterId: 1,
    peerId,
  });
  const entries = await log.entries(1, log.lastIndex + 1);
  return {
    entries: entries.map(({ term, data }) => `${term} ${Buffer.from(data).toString()}`),
    commit: log.initialState().hardState.commit,
  };
}

suite("three nodes of liferaft on this storage", () => {
  test("a node that is killed again and again keeps its log, its votes and what was committed", async (context) => {
    const root = await mkdtemp(join(tmpdir(), "walnut-liferaft-"));
    const cluster = new Cluster(root);
    const nodes = [...cluster.nodes.values()];
    try {
      for (const node of nodes) await cluster.start(node);
      await cluster.until("first entries", () => cluster.committed.size > 5);
      const random = new SeededRandom(7);
      const untilMs = performance.now() + PATIENCE_MS;
      let kills = 0;
      let stands = 0;
      for (; kills < KILLS && performance.now() < untilMs; kills++) {
        const victim =
          random.chance(0.4) && cluster.leader !== undefined ? cluster.leader : random.pick(nodes);
        const target = cluster.committed.size + random.between(1, 12);
        await cluster.kill(victim);
        // Two nodes that time out together may outvote each other for long: that is liferaft's to answer for, and no harm.
        if (random.chance(0.5)) await cluster.holds(() => cluster.committed.size >= target, 3_000);
        await cluster.start(victim);
        if (await cluster.holds(() => cluster.committed.size > target, 3_000)) continue;
        // liferaft gives a node that is behind one entry a heartbeat, and a new leader commits nothing before another node has all of its
        // log. A start of all nodes breaks such a wait off, and is as hard on the storage as the kills.
        stands++;
        for (const node of nodes) await cluster.kill(node);
        for (const node of nodes) await cluster.start(node);
      }
      for (const node of nodes) await cluster.kill(node);
      const logs = await Promise.all(nodes.map(readAll));
      // What a node does not know to be committed may be of an older term, until its leader has replaced it.
      for (const { entries, commit } of logs) {
        for (const [index, entry] of [...cluster.committed].filter(([at]) => at <= commit)) {
          assert.equal(entries[index - 1], entry);
        }
      }
      const lost = [...cluster.committed].filter(
        ([index, entry]) => logs.filter(({ entries }) => entries[index - 1] === entry).length < 2,
      );
      assert.deepEqual(lost, [], "committed, and not on two nodes");
      if (cluster.problem !== undefined) throw cluster.problem;
      context.diagnostic(
        `${kills} kills, ${stands} stands, ${cluster.committed.size} entries committed, logs of ${logs.map(({ entries }) => entries.length).join(", ")}, committed ${logs.map(({ commit }) => commit).join(", ")}`,
      );
      assert.ok(kills > 0 && cluster.committed.size > 5);
    } finally {
      for (const node of nodes) await cluster.kill(node);
      await rm(root, { recursive: true, force: true });
    }
  });
});
