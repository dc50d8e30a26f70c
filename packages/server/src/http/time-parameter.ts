/** Times as clients write them in parameters: RFC 3339, or nanoseconds since 1970. Pure. */
import { ServerError } from "../errors.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "../store/timestamp-range.ts";

const RFC3339 = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d))?$/;
const NS_PER_MS = 1_000_000n;

/**
 * A time in nanoseconds, exact; one that is later than any row can be is the nanosecond after the last of them.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST`
 */
export function parseTimeNs(name: string, text: string): bigint {
  if (/^-?\d{1,20}$/.test(text)) return clamp(BigInt(text));
  const match = RFC3339.exec(text);
  if (match === null) throw invalid(name, text);
  const [, date, time = "00:00:00", fraction = "", zone = "Z"] = match;
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  if (Number.isNaN(ms)) throw invalid(name, text);
  return clamp(BigInt(ms) * NS_PER_MS + BigInt(fraction.padEnd(9, "0")));
}

/** Times outside of all rows keep their side: "until 2300" means all, "from 2300" means none. */
function clamp(timeNs: bigint): bigint {
  if (timeNs < MIN_TIMESTAMP_NS) return MIN_TIMESTAMP_NS;
  return timeNs > MAX_TIMESTAMP_NS ? MAX_TIMESTAMP_NS + 1n : timeNs;
}

function invalid(name: string, text: string): ServerError {
  return new ServerError(
    "SERVER_INVALID_REQUEST",
    `${name} is ${JSON.stringify(text.slice(0, 80))}; expected a time such as 2025-10-09T08:00:00Z, or nanoseconds ` +
      "since 1970",
  );
}
