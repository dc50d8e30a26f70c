import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  CapacityGroup,
  CODEC_NAMES,
  DEFAULT_WAL_OPTIONS,
  DURABILITY_LEVELS,
  FULL_POLICIES,
  isWalError,
  type WalOptions,
} from "@walnut/wal";
import { resolveWalOptions } from "../src/options.ts";

const MAX = Number.MAX_SAFE_INTEGER;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;

/** Range and default of each numeric option, as its documentation says. */
const NUMBERS: readonly {
  readonly name: keyof WalOptions;
  readonly min: number;
  readonly max: number;
  readonly byDefault: number;
  /** Other options that make the ends of the range possible. */
  readonly with?: Partial<WalOptions>;
}[] = [
  { name: "segmentSizeBytes", min: 8 * KIB, max: GIB, byDefault: 64 * MIB },
  { name: "segmentMaxAgeMs", min: 0, max: MAX, byDefault: HOUR_MS },
  { name: "syncIntervalMs", min: 1, max: HOUR_MS, byDefault: 100 },
  { name: "syncIntervalBytes", min: 1, max: MAX, byDefault: MIB },
  { name: "bufferSizeBytes", min: 64 * KIB, max: 256 * MIB, byDefault: MIB },
  {
    name: "maxPendingBytes",
    min: 64 * KIB,
    max: GIB,
    byDefault: 256 * MIB,
    with: { bufferSizeBytes: 64 * KIB },
  },
  { name: "maxRecordBytes", min: 1, max: 2 ** 28 - 1, byDefault: 64 * MIB },
  { name: "prewriteBytes", min: 0, max: GIB, byDefault: MIB },
  { name: "attestDelayMs", min: 0, max: HOUR_MS, byDefault: 100 },
  {
    name: "maxLogBytes",
    min: 0,
    max: MAX,
    byDefault: 0,
  },
  {
    name: "guaranteedBytes",
    min: 0,
    max: MAX,
    byDefault: 0,
    with: { capacityGroup: new CapacityGroup({ maxBytes: MAX }) },
  },
  { name: "reserveFreeBytes", min: 0, max: MAX, byDefault: 0 },
  { name: "blockTimeoutMs", min: 1, max: HOUR_MS, byDefault: 30_000 },
  { name: "archiveMaxAgeMs", min: 0, max: MAX, byDefault: 0 },
  { name: "archiveMaxBytes", min: 0, max: MAX, byDefault: 0 },
];

function resolve(options: Partial<WalOptions>): ReturnType<typeof resolveWalOptions> {
  return resolveWalOptions({ directory: "d", ...options });
}

function assertRefused(options: object, option: string): void {
  assert.throws(
    // What a caller in plain JavaScript can pass.
    () => resolveWalOptions(options as WalOptions),
    (error) => isWalError(error, "WAL_INVALID_OPTION") && error.details["option"] === option,
    option,
  );
}

suite("options", () => {
  const words = [
    { name: "durability", values: DURABILITY_LEVELS, byDefault: "fdatasync" },
    { name: "codec", values: CODEC_NAMES, byDefault: "none" },
    { name: "recovery", values: ["default", "strict", "salvage"], byDefault: "default" },
    { name: "whenFull", values: FULL_POLICIES, byDefault: "reject" },
    { name: "released", values: ["delete", "archive"], byDefault: "delete" },
  ] as const;
  for (const { name, min, max, byDefault, with: others } of NUMBERS) {
    suite(name, () => {
      test(`is ${byDefault} by default, also when it is undefined`, () => {
        assert.equal(resolve({})[name], byDefault);
        assert.equal(resolve({ [name]: undefined })[name], byDefault);
        assert.equal(DEFAULT_WAL_OPTIONS[name as keyof typeof DEFAULT_WAL_OPTIONS], byDefault);
      });
      for (const value of [min, max]) {
        test(`may be ${value}`, () => {
          assert.equal(resolve({ ...others, [name]: value })[name], value);
        });
      }
      for (const value of [
        min - 1,
        max + 1,
        min + 0.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        -1,
        "5",
        null,
        5n,
      ]) {
        test(`may not be ${typeof value} ${String(value)}`, () => {
          if (value === null) {
            // null means "not given", as undefined does.
            assert.equal(resolve({ [name]: value })[name], byDefault);
          } else {
            assertRefused({ directory: "d", ...others, [name]: value }, name);
          }
        });
      }
    });
  }

  test("know every key of the defaults, and no other", () => {
    const known = [...NUMBERS.map(({ name }) => name), ...words.map(({ name }) => name)];
    assert.deepEqual(Object.keys(DEFAULT_WAL_OPTIONS).sort(), known.sort());
  });

  for (const { name, values, byDefault } of words) {
    test(`${name} is one of ${values.join(", ")}; ${byDefault} by default`, () => {
      assert.equal(resolve({})[name], byDefault);
      for (const value of values) assert.equal(resolve({ [name]: value })[name], value);
      for (const value of ["", "FSYNC", "none ", "toString", 1, true]) {
        assertRefused({ directory: "d", [name]: value }, name);
      }
    });
  }

  test("need a directory", () => {
    assertRefused({}, "directory");
    for (const directory of ["", 5, null, undefined]) assertRefused({ directory }, "directory");
  });

  test("refuse a key that nobody knows", () => {
    assertRefused({ directory: "d", segmentSize: 1 }, "segmentSize");
    assertRefused({ directory: "d", toString: 1 }, "toString");
  });

  test("refuse less room for what waits than one buffer takes", () => {
    assertRefused(
      { directory: "d", bufferSizeBytes: MIB, maxPendingBytes: MIB - 1 },
      "maxPendingBytes",
    );
    assert.equal(resolve({ bufferSizeBytes: MIB, maxPendingBytes: MIB }).maxPendingBytes, MIB);
  });

  test("are frozen once they are resolved", () => {
    assert.ok(Object.isFrozen(resolve({})));
  });
});
