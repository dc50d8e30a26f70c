/** Memory and open files of a process and its children, as Linux tells. */
import { readdir, readFile } from "node:fs/promises";

/** What a server holds at one moment. */
export interface ProcessSample {
  readonly atMs: number;
  readonly residentBytes: number;
  readonly openFiles: number;
}

const BYTES_PER_KIB = 1_024;

/** The process and those that it started; empty when it is gone. */
export async function processFamily(processId: number): Promise<readonly number[]> {
  const entries = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const family: number[] = [];
  for (const id of entries) {
    const stat = await readFile(`/proc/${id}/stat`, "utf8").catch(() => "");
    // Behind the name, which may hold anything: state, then the parent.
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (id === processId || parent === processId) family.push(id);
  }
  return family;
}

/** Looks once. `undefined` when a process ends meanwhile. */
export async function sampleProcess(processId: number): Promise<ProcessSample | undefined> {
  let [residentBytes, openFiles] = [0, 0];
  try {
    const family = await processFamily(processId);
    if (family.length === 0) return undefined;
    for (const id of family) {
      const status = await readFile(`/proc/${id}/status`, "utf8");
      residentBytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * BYTES_PER_KIB;
      openFiles += (await readdir(`/proc/${id}/fd`)).length;
    }
  } catch {
    return undefined;
  }
  return { atMs: performance.now(), residentBytes, openFiles };
}
