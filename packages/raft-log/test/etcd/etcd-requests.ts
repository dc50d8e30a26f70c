/** What etcd asks of itself in the entries of its log: its requests, as far as tests look at them. */
import type { Entry } from "@walnut/raft-log";
import { bytesOf, readFields } from "../../src/etcd/proto-fields.ts";

/** Field of `InternalRaftRequest` that holds a put. */
const PUT_FIELD = 4;
/** Field of a request of the second version that holds its path. */
const PATH_FIELD = 3;

/** Puts in the entries of a log, as `key=value`. */
export function putsIn(entries: readonly Entry[]): string[] {
  return (
    entries
      .filter(({ type, data }) => type === 0 && data.byteLength > 0)
      .map(({ data }) => [...readFields(data)])
      // What the node publishes about itself is a request of the second version, and has a path.
      .filter((fields) => !fields.some(({ number }) => number === PATH_FIELD))
      .flat()
      .filter(({ number, value }) => number === PUT_FIELD && value instanceof Uint8Array)
      .map(({ value }) => {
        const [key, text] = [1, 2].map((field) => {
          const found = [...readFields(bytesOf(value))].find(({ number }) => number === field);
          return found === undefined ? "" : Buffer.from(bytesOf(found.value)).toString();
        });
        return `${key}=${text}`;
      })
  );
}
