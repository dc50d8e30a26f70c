/**
 * Prebuilt requests for the benchmark: whole HTTP messages as bytes, so that the load generator spends its
 * time on sockets and on nothing else.
 */
import { pack } from "msgpackr";

/** One workload: requests that are sent again and again, in turn. */
export interface Workload {
  readonly name: string;
  readonly rowsPerRequest: number;
  readonly measurement: string;
  readonly requests: readonly Uint8Array[];
}

/** Name of the database that the workloads write to. */
export const BENCH_DATABASE = "bench";

const DISTINCT_REQUESTS = 8;
const BASE_US = 1_700_000_000_000_000;
const NS_PER_US = 1_000;
const HOSTS = 100;
const REGIONS = ["eu-central", "eu-west", "us-east", "us-west"];

/** Line protocol: 2 tags, 6 fields (four floats, an integer, a boolean). */
export function lineProtocolWorkload(linesPerRequest: number, token: string): Workload {
  const random = randomFrom(1);
  const requests = Array.from({ length: DISTINCT_REQUESTS }, (_unused, request) => {
    const lines: string[] = [];
    for (let line = 0; line < linesPerRequest; line++) {
      const timeUs = BASE_US + request * linesPerRequest + line;
      lines.push(
        `cpu,host=server-${line % HOSTS},region=${REGIONS[line % REGIONS.length]} ` +
          `usage_user=${percent(random)},usage_system=${percent(random)},` +
          `usage_idle=${percent(random)},load=${percent(random)},` +
          `processes=${Math.floor(random() * 1_000)}i,healthy=${random() < 0.9} ` +
          `${timeUs * NS_PER_US}`,
      );
    }
    const body = Buffer.from(`${lines.join("\n")}\n`);
    return httpRequest(`/write?db=${BENCH_DATABASE}&precision=ns`, token, body);
  });
  return { name: "line protocol", rowsPerRequest: linesPerRequest, measurement: "cpu", requests };
}

/** Columnar MessagePack: time, one tag-like text, four floats; six columns. */
export function messagePackWorkload(rowsPerRequest: number, token: string): Workload {
  const random = randomFrom(2);
  const floats = (): number[] => Array.from({ length: rowsPerRequest }, () => percent(random));
  const requests = Array.from({ length: DISTINCT_REQUESTS }, (_unused, request) => {
    const columns = {
      time: Array.from({ length: rowsPerRequest }, (_, row) => {
        return BASE_US + request * rowsPerRequest + row;
      }),
      host: Array.from({ length: rowsPerRequest }, (_, row) => `server-${row % HOSTS}`),
      usage_user: floats(),
      usage_system: floats(),
      usage_idle: floats(),
      load: floats(),
    };
    return httpRequest("/api/v1/write/msgpack", token, pack({ m: "columns", columns }));
  });
  return { name: "MessagePack", rowsPerRequest, measurement: "columns", requests };
}

function httpRequest(path: string, token: string, body: Uint8Array): Uint8Array {
  const head =
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\n` +
    `x-walnut-database: ${BENCH_DATABASE}\r\nContent-Length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

function percent(random: () => number): number {
  return Math.round(random() * 10_000) / 100;
}

/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
