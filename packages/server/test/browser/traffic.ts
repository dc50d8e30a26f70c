/** A client that writes as several small machines would, for as long as it is not stopped. */
import { setTimeout as delay } from "node:timers/promises";

const HOSTS = ["web-1", "web-2", "db-1", "cache-1"];
const PAUSE_MS = 40;

/** Writes until the signal comes; resolves then. Requests that are refused are of no interest. */
export async function writeTraffic(
  server: { readonly url: string; readonly token: string },
  signal: AbortSignal,
): Promise<void> {
  const { url, token } = server;
  const headers = { authorization: `Bearer ${token}` };
  for (let round = 0; !signal.aborted; round++) {
    const body = linesOf(round, BigInt(Date.now()) * 1_000_000n);
    await fetch(`${url}/write?db=demo`, { method: "POST", headers, body, signal }).catch(() => {});
    if (round % 90 === 0) {
      const broken = "cpu,host=web-1 usage=";
      await fetch(`${url}/write?db=demo`, { method: "POST", headers, body: broken, signal }).catch(
        () => {},
      );
    }
    await delay(PAUSE_MS, undefined, { signal }).catch(() => {});
  }
}

function linesOf(round: number, nowNs: bigint): string {
  const wave = (period: number, shift: number): number =>
    0.5 + 0.4 * Math.sin((round + shift) / period);
  const lines: string[] = [];
  for (const [index, host] of HOSTS.entries()) {
    for (let step = 0; step < 40 + 30 * wave(60, index * 30); step++) {
      const time = nowNs + BigInt(step);
      lines.push(
        `cpu,host=${host},core=${step % 8} usage=${wave(40, index * 9).toFixed(4)} ${time}`,
      );
    }
    for (let step = 0; step < 25; step++) {
      const time = nowNs + BigInt(step);
      lines.push(
        `disk,host=${host},device=sd${step % 4} read=${step * round}i,busy=${wave(90, step).toFixed(4)} ${time}`,
      );
    }
    lines.push(`memory,host=${host} used=${Math.round(wave(200, index) * 8e9)}i ${nowNs}`);
    for (let step = 0; step < 60 * wave(110, 40); step++) {
      const time = nowNs + BigInt(step);
      lines.push(
        `requests,host=${host},status=200 seconds=${(wave(25, step) / 20).toFixed(5)},path="/api/items/${step}" ${time}`,
      );
    }
  }
  return lines.join("\n");
}
