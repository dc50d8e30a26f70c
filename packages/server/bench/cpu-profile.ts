/**
 * Where the time of a process went, from what `node --cpu-prof` leaves: functions by their own time.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Part of the busy time of one thread. */
export interface ProfileEntry {
  readonly place: string;
  readonly share: number;
}

/** The functions of the main thread that took most of its time, waiting aside. */
export async function hottestFunctions(
  directory: string,
  count: number,
): Promise<readonly ProfileEntry[]> {
  const [file] = (await readdir(directory)).filter((name) => name.endsWith(".cpuprofile")).sort();
  if (file === undefined) return [];
  const profile = JSON.parse(await readFile(join(directory, file), "utf8")) as CpuProfile;
  const placesById = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const source = url.split("/").slice(-2).join("/");
      return [id, `${functionName || "(anonymous)"}${source && ` ${source}:${lineNumber + 1}`}`];
    }),
  );
  const timeByPlace = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const place = placesById.get(id) ?? "(unknown)";
    const time = profile.timeDeltas[index] ?? 0;
    if (place === "(idle)") continue;
    busy += time;
    timeByPlace.set(place, (timeByPlace.get(place) ?? 0) + time);
  }
  return [...timeByPlace]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([place, time]) => ({ place, share: time / busy }));
}
