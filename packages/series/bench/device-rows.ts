/** The load with which IoTDB measured its log: one device, a value of each of its sensors every 10 ms. */
import type { SeriesPoint } from "@walnut/series";

export const SENSORS = 100;

/** Row by row; all writers take from the same. Values are numbers that walk. */
export function* rowsOf(pointsPerSensor: number): IterableIterator<readonly SeriesPoint[]> {
  const seriesIds = Array.from({ length: SENSORS }, (_, sensor) => BigInt(sensor));
  const walk = new Float64Array(SENSORS).fill(20);
  for (let row = 0; row < pointsPerSensor; row++) {
    const timestamp = 1_700_000_000_000_000_000n + BigInt(row) * 10_000_000n;
    const bytes = new Uint8Array(8 * SENSORS);
    const view = new DataView(bytes.buffer);
    yield seriesIds.map((seriesId, sensor) => {
      const next = Math.round(((walk[sensor] ?? 0) + Math.random() - 0.5) * 100) / 100;
      walk[sensor] = next;
      view.setFloat64(8 * sensor, next);
      return { seriesId, timestamp, value: bytes.subarray(8 * sensor, 8 * sensor + 8) };
    });
  }
}
