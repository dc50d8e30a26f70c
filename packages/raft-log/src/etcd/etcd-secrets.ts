/**
 * Secrets in etcd's requests: passwords, their hashes, and the tokens of who has logged in, which are in the entries of its log as they
 * were sent. Whoever prints entries hides them first. Pure.
 */
import { bytesOf, readFields } from "./proto-fields.ts";

/** Fields of `InternalRaftRequest` that are requests with secrets, and the fields of those that are secret. */
const SECRET_FIELDS: ReadonlyMap<number, readonly number[]> = new Map([
  [1012, [2, 3]], // authenticate: password, simple_token
  [1100, [2, 4]], // auth_user_add: password, hashedPassword
  [1103, [2, 3]], // auth_user_change_password: password, hashedPassword
]);

const ASTERISK = 0x2a;

/**
 * The data of an entry with asterisks in the place of secrets, as many as there were bytes, so that it still is the same request. Data
 * that is none of etcd's requests with secrets is given back as it is.
 */
export function hideEtcdSecrets(data: Uint8Array): Uint8Array {
  const copy = new Uint8Array(data);
  let isHidden = false;
  try {
    for (const request of readFields(copy)) {
      const secrets = SECRET_FIELDS.get(request.number);
      if (secrets === undefined) continue;
      for (const { number, value } of readFields(bytesOf(request.value))) {
        if (!secrets.includes(number)) continue;
        bytesOf(value).fill(ASTERISK);
        isHidden = true;
      }
    }
  } catch (error) {
    if (error instanceof RangeError) return data; // No message at all.
    throw error;
  }
  return isHidden ? copy : data;
}
