/** The messages of etcd, compared with what another implementation of Protocol Buffers makes of the same schema. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import protobuf from "protobufjs";
import type { ConfState, Entry, EntryType, HardState, Snapshot } from "@walnut/raft-log";
import { ByteWriter } from "../../src/byte-writer.ts";
import { hideEtcdSecrets } from "../../src/etcd/etcd-secrets.ts";
import { writeBytesField } from "../../src/etcd/proto-fields.ts";
import {
  decodeConfState,
  decodeEntry,
  decodeHardState,
  decodeNodeMetadata,
  decodeRaftSnapshot,
  decodeWalSnapshot,
  encodeConfState,
  encodeHardState,
  encodeNodeMetadata,
  encodeRaftSnapshot,
  encodeWalSnapshot,
  writeEntryHead,
} from "../../src/etcd/raft-messages.ts";
import { decodeSnapFile, encodeSnapFile } from "../../src/etcd/snap-file.ts";
import { decodeFrame, writeFrame } from "../../src/etcd/wal-record.ts";

const SEED = Number(process.env["SEED"] ?? 20_261_120);
const RUNS = { seed: SEED, numRuns: 300 };

const { root } = protobuf.parse(
  `
  syntax = "proto2";
  message Record { optional int64 type = 1; optional uint32 crc = 2; optional bytes data = 3; }
  message Entry { optional uint64 Term = 2; optional uint64 Index = 3; optional int32 Type = 1; optional bytes Data = 4; }
  message HardState { optional uint64 term = 1; optional uint64 vote = 2; optional uint64 commit = 3; }
  message ConfState {
    repeated uint64 voters = 1; repeated uint64 learners = 2; repeated uint64 voters_outgoing = 3;
    repeated uint64 learners_next = 4; optional bool auto_leave = 5;
  }
  message PackedConfState { repeated uint64 voters = 1 [packed = true]; }
  message WalSnapshot { optional uint64 index = 1; optional uint64 term = 2; optional ConfState conf_state = 3; }
  message SnapshotMetadata { optional ConfState conf_state = 1; optional uint64 index = 2; optional uint64 term = 3; }
  message Snapshot { optional bytes data = 1; optional SnapshotMetadata metadata = 2; }
  message SnapFile { optional uint32 crc = 1; optional bytes data = 2; }
  message Metadata { optional uint64 NodeID = 1; optional uint64 ClusterID = 2; }
`,
  { keepCase: true },
);

/** What protobufjs writes: a number of 64 bits as two of 32. */
function encoded(type: string, message: Record<string, unknown>): Uint8Array {
  return root.lookupType(type).encode(message).finish();
}

function long(value: number | bigint): { low: number; high: number; unsigned: boolean } {
  const bits = BigInt(value);
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: true,
  };
}

function confMessage(state: ConfState): Record<string, unknown> {
  return {
    voters: state.voters.map(long),
    learners: state.learners.map(long),
    voters_outgoing: state.votersOutgoing.map(long),
    learners_next: state.learnersNext.map(long),
    auto_leave: state.autoLeave,
  };
}

const whole = fc.maxSafeNat();
const id = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });
/** Objects as object literals are. */
const PLAIN = { noNullPrototype: true };

const entries: fc.Arbitrary<Entry> = fc.record(
  {
    index: whole,
    term: whole,
    type: fc.constantFrom<EntryType>(0, 1, 2),
    data: bytes,
  },
  PLAIN,
);
const hardStates: fc.Arbitrary<HardState> = fc.record(
  { term: whole, vote: id, commit: whole },
  PLAIN,
);
const ids = fc.array(id, { maxLength: 5 });
const confStates: fc.Arbitrary<ConfState> = fc.record(
  {
    voters: ids,
    learners: ids,
    votersOutgoing: ids,
    learnersNext: ids,
    autoLeave: fc.boolean(),
  },
  PLAIN,
);
const snapshots: fc.Arbitrary<Snapshot> = fc.record(
  {
    metadata: fc.record({ index: whole, term: whole, confState: confStates }, PLAIN),
    data: bytes,
  },
  PLAIN,
);

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

function entryBytes(entry: Entry): Uint8Array {
  const writer = new ByteWriter();
  writeEntryHead(writer, entry);
  return joined([writer.view(0, writer.length), entry.data]);
}

/** Equal whether bytes are a `Buffer` or not. */
function same(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.from(actual).toString("hex"), Buffer.from(expected).toString("hex"));
}

suite("messages of etcd", () => {
  test("entries", () => {
    fc.assert(
      fc.property(entries, (entry) => {
        const { index, term, type, data } = entry;
        // Field 1 is the type: protobufjs writes in the order of the numbers.
        const theirs = encoded("Entry", {
          Type: type,
          Term: long(term),
          Index: long(index),
          Data: data,
        });
        same(entryBytes(entry), theirs);
        assert.deepEqual(decodeEntry(new Uint8Array(theirs)), entry);
      }),
      RUNS,
    );
  });

  test("hard states, with votes of 64 bits", () => {
    fc.assert(
      fc.property(hardStates, (state) => {
        const { term, vote, commit } = state;
        const theirs = encoded("HardState", {
          term: long(term),
          vote: long(vote),
          commit: long(commit),
        });
        same(encodeHardState(state), theirs);
        assert.deepEqual(decodeHardState(theirs), state);
      }),
      RUNS,
    );
  });

  test("members, and snapshots in the WAL", () => {
    fc.assert(
      fc.property(confStates, whole, whole, (confState, index, term) => {
        same(encodeConfState(confState), encoded("ConfState", confMessage(confState)));
        assert.deepEqual(decodeConfState(encodeConfState(confState)), confState);
        const theirs = encoded("WalSnapshot", {
          index: long(index),
          term: long(term),
          conf_state: confMessage(confState),
        });
        same(encodeWalSnapshot({ index, term, confState }), theirs);
        assert.deepEqual(decodeWalSnapshot(theirs), { index, term, confState });
      }),
      RUNS,
    );
  });

  test("snapshots and .snap files", () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const { metadata, data } = snapshot;
        const theirs = encoded("Snapshot", {
          data,
          metadata: {
            conf_state: confMessage(metadata.confState),
            index: long(metadata.index),
            term: long(metadata.term),
          },
        });
        same(joined(encodeRaftSnapshot(snapshot)), theirs);
        assert.deepEqual(decodeRaftSnapshot(new Uint8Array(theirs)), snapshot);
        const file = joined(encodeSnapFile(snapshot));
        const read = decodeSnapFile(file);
        assert.deepEqual(read, { kind: "valid", snapshot });
        const outer = root.lookupType("SnapFile").decode(file);
        same(joined([Reflect.get(outer, "data")]), theirs);
      }),
      RUNS,
    );
  });

  test("the node's metadata", () => {
    fc.assert(
      fc.property(id, id, (peerId, clusterId) => {
        const theirs = encoded("Metadata", { NodeID: long(peerId), ClusterID: long(clusterId) });
        same(encodeNodeMetadata({ peerId, clusterId }), theirs);
        assert.deepEqual(decodeNodeMetadata(theirs), { peerId, clusterId });
      }),
      RUNS,
    );
    assert.equal(decodeNodeMetadata(Buffer.from("somedata")), undefined);
  });

  test("records in frames", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(0xffffffff), bytes, (type, crc, data) => {
        const writer = new ByteWriter();
        writeFrame(writer, { type, crc }, [data]);
        const frame = writer.view(0, writer.length);
        assert.equal(frame.byteLength % 8, 0);
        const theirs = encoded("Record", { type: long(type), crc, data });
        same(frame.subarray(8, 8 + theirs.byteLength), theirs);
        assert.deepEqual(decodeFrame(frame, 0), {
          kind: "frame",
          endOffset: frame.byteLength,
          record: { type, crc, data },
        });
      }),
      RUNS,
    );
  });
});

suite("messages of other versions of etcd", () => {
  test("an entry of 3.7 leaves out a type, a term or an index of 0", () => {
    const theirs = encoded("Entry", { Index: long(7), Data: Buffer.from("x") });
    assert.deepEqual(decodeEntry(new Uint8Array(theirs)), {
      index: 7,
      term: 0,
      type: 0,
      data: new Uint8Array([120]),
    });
    assert.deepEqual(decodeHardState(new Uint8Array(0)), { term: 0, vote: 0n, commit: 0 });
  });

  test("members may be packed", () => {
    const theirs = encoded("PackedConfState", { voters: [1, 2n ** 64n - 1n].map(long) });
    assert.deepEqual(decodeConfState(theirs).voters, [1n, 2n ** 64n - 1n]);
  });

  test("a snapshot record of 3.4 has no members", () => {
    const theirs = encoded("WalSnapshot", { index: long(5), term: long(2) });
    assert.deepEqual(decodeWalSnapshot(theirs), { index: 5, term: 2, confState: undefined });
  });

  test("fields that we do not know are passed over", () => {
    const unknown = Buffer.from("7a03616263810101020304050607088d0101020304", "hex");
    assert.deepEqual(decodeHardState(Buffer.concat([unknown, Buffer.from("0807", "hex")])), {
      term: 7,
      vote: 0n,
      commit: 0,
    });
  });

  test("passwords, their hashes and tokens are hidden, and nothing else is touched", () => {
    const field = (number: number, content: Uint8Array): Uint8Array => {
      const writer = new ByteWriter();
      writeBytesField(writer, number, content);
      return writer.view(0, writer.length);
    };
    const text = (number: number, value: string): Uint8Array => field(number, Buffer.from(value));
    const request = (number: number, [second, third]: readonly string[], at: number): Uint8Array =>
      field(number, Buffer.concat([text(1, "name"), text(2, second ?? ""), text(at, third ?? "")]));
    for (const [number, at] of [
      [1012, 3],
      [1100, 4],
      [1103, 3],
    ] as const) {
      const sent = request(number, ["secret", "hash"], at);
      const before = Buffer.from(sent);
      assert.deepEqual(
        Buffer.from(hideEtcdSecrets(sent)),
        Buffer.from(request(number, ["******", "****"], at)),
      );
      assert.deepEqual(Buffer.from(sent), before, "the entry itself was changed");
    }
    const put = field(4, Buffer.concat([text(1, "key"), text(2, "value")]));
    assert.equal(hideEtcdSecrets(put), put);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        assert.equal(hideEtcdSecrets(noise).byteLength, noise.byteLength);
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  test("what is no message is refused, whatever it is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        for (const decode of [
          decodeEntry,
          decodeHardState,
          decodeWalSnapshot,
          decodeRaftSnapshot,
        ]) {
          try {
            decode(noise);
          } catch (error) {
            assert.ok(error instanceof RangeError);
          }
        }
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });
});
