/**
 * Writes points until it is stopped, in whatever way; started again, it says whether something is missing.
 *
 *     npm run example -- series-store DIRECTORY
 *
 * Each of ten series gets the timestamps 0, 1, 2, …, so that a gap shows.
 */
import { SeriesStore } from "./series-store.ts";

const SERIES = 10;
const END_OF_TIME = 2n ** 63n - 1n;

const directory = process.argv[2] ?? "data/series-store";
const store = await SeriesStore.open(directory);

let found = 0;
const next: bigint[] = [];
for (let series = 0; series < SERIES; series++) {
  const points = await store.query(BigInt(series), 0n, END_OF_TIME);
  const gap = points.findIndex(({ timestamp }, index) => timestamp !== BigInt(index));
  if (gap >= 0) throw new Error(`series ${series}: timestamp ${gap} is missing or there twice`);
  found += points.length;
  next.push(BigInt(points.length));
}
process.stdout.write(`found ${found} points in ${directory}, none missing\n`);

let isStopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => (isStopping = true));

let acknowledged = found;
let toldAtMs = 0;
while (!isStopping) {
  const value = new TextEncoder().encode(`value ${acknowledged}`);
  await Promise.all(next.map((timestamp, series) => store.write(BigInt(series), timestamp, value)));
  for (const [series, timestamp] of next.entries()) next[series] = timestamp + 1n;
  acknowledged += SERIES;
  if (performance.now() - toldAtMs < 100) continue;
  toldAtMs = performance.now();
  process.stdout.write(`acknowledged ${acknowledged}\n`);
}
await store.close();
process.stdout.write(`stopped with ${acknowledged} points; start it again\n`);
