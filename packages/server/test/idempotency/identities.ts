/** Identities for tests. */
import type { WriteIdentity } from "../../src/idempotency/write-identity.ts";

/** An identity of a key; `changes` makes it another one. */
export function keyed(key: string, changes: Partial<WriteIdentity> = {}): WriteIdentity {
  const digest = "00112233445566778899aabbccddeeff";
  return { name: `key:${key}`, epoch: 0, seq: 0, digest, acceptedAtMs: 1_000, ...changes };
}

/** An identity of a producer. */
export function produced(
  epoch: number,
  seq: number,
  changes: Partial<WriteIdentity> = {},
): WriteIdentity {
  return { ...keyed("", changes), name: "producer:p", epoch, seq };
}
