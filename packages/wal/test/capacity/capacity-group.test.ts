import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CapacityGroup, type GroupMember } from "../../src/capacity/capacity-group.ts";

interface FakeMember extends GroupMember {
  freed: number;
  wanted: number;
}

function member(used: number, guaranteedBytes = 0): FakeMember {
  const fake: FakeMember = {
    usedBytes: () => used,
    guaranteedBytes,
    freed: 0,
    wanted: 0,
    onSpaceFreed: () => fake.freed++,
    onSpaceWanted: () => fake.wanted++,
  };
  return fake;
}

function groupOf(maxBytes: number, ...members: readonly GroupMember[]): CapacityGroup {
  const group = new CapacityGroup({ maxBytes });
  for (const one of members) group.join(one);
  return group;
}

suite("CapacityGroup", () => {
  for (const maxBytes of [0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1]) {
    test(`refuses a budget of ${maxBytes}`, () => {
      assert.throws(() => new CapacityGroup({ maxBytes }), RangeError);
    });
  }

  test("counts what its members hold", () => {
    const leaving = member(30);
    const group = groupOf(100, member(10), member(20), leaving);
    assert.equal(group.usedBytes, 60);
    group.leave(leaving);
    assert.equal(group.usedBytes, 30);
  });

  const cases = [
    { what: "all of it when alone", own: 0, others: [], available: 100 },
    { what: "what is left", own: 10, others: [[20, 0]], available: 70 },
    {
      what: "less what others are guaranteed and do not hold",
      own: 10,
      others: [[20, 50]],
      available: 40,
    },
    {
      what: "less what others hold beyond their guarantee",
      own: 10,
      others: [[60, 50]],
      available: 30,
    },
    {
      what: "nothing when others hold all",
      own: 0,
      others: [
        [60, 0],
        [40, 0],
      ],
      available: 0,
    },
    { what: "a negative amount when it is overdrawn", own: 80, others: [[10, 50]], available: -30 },
  ] as const;
  for (const { what, own, others, available } of cases) {
    test(`gives a member ${what}`, () => {
      const one = member(own);
      const group = groupOf(
        100,
        one,
        ...others.map(([used, guaranteed]) => member(used, guaranteed)),
      );
      assert.equal(group.availableBytes(one), available);
    });
  }

  test("limits a member by what the others are guaranteed, whatever they hold", () => {
    const one = member(0);
    const group = groupOf(100, one, member(70, 10), member(0, 20));
    assert.equal(group.limitBytes(one), 70);
  });

  test("does not guarantee more than there is", () => {
    const group = groupOf(100, member(0, 60));
    group.join(member(0, 40));
    assert.throws(() => group.join(member(0, 1)), { code: "WAL_INVALID_OPTION" });
    group.join(member(0, 0));
  });

  test("tells the others, and not the member itself, that space is free or wanted", () => {
    const one = member(0);
    const two = member(0);
    const three = member(0);
    const group = groupOf(100, one, two, three);
    group.spaceFreed(one);
    group.spaceWanted(two);
    assert.deepEqual([one.freed, two.freed, three.freed], [0, 1, 1]);
    assert.deepEqual([one.wanted, two.wanted, three.wanted], [1, 0, 1]);
    group.leave(three);
    assert.deepEqual([one.freed, two.freed, three.freed], [1, 2, 1]);
  });
});
