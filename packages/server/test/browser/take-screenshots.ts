/**
 * `npm run screenshot`: the picture of the console that the README shows; `-- FOLDER SECONDS` takes all of them.
 *
 * Everything is real: a server on a fresh directory, a client that writes for a while, and a browser.
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { openServer } from "../../src/server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { findChromium, launchChromium } from "./chromium.ts";
import { writeTraffic } from "./traffic.ts";

const TOKEN = "screenshot";
const SQL = `SELECT time_bucket(INTERVAL '1 second', time) AS second, host, avg(usage) AS usage
FROM demo.cpu
GROUP BY ALL
ORDER BY second`;

interface Shot {
  readonly name: string;
  readonly hash: string;
  readonly colorScheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
}

const SHOTS: readonly Shot[] = [
  { name: "console", hash: "live", colorScheme: "light", width: 1440, height: 1280 },
  { name: "console-dark", hash: "live", colorScheme: "dark", width: 1440, height: 1280 },
  { name: "console-wide", hash: "live", colorScheme: "light", width: 2200, height: 1200 },
  { name: "console-phone", hash: "live", colorScheme: "light", width: 360, height: 780 },
  { name: "console-sql", hash: "sql", colorScheme: "light", width: 1440, height: 900 },
  { name: "console-sql-phone", hash: "sql", colorScheme: "dark", width: 360, height: 780 },
];

const [givenFolder, seconds = "75"] = process.argv.slice(2);
const folder = givenFolder ?? "docs/images";
const shots = givenFolder === undefined ? SHOTS.slice(0, 1) : SHOTS;
const executable = findChromium();
if (executable === undefined) throw new Error("Chromium is missing: apt-get install chromium");
const server = await openServer({
  port: 0,
  token: TOKEN,
  dataDirectory: await temporaryDirectory(),
  segmentSizeBytes: 256 * 1024, // 256 KiB: several segments in a short time
});
await server.ready;
const stop = new AbortController();
const traffic = writeTraffic({ url: server.url, token: TOKEN }, stop.signal);
const browser = await launchChromium(executable);
try {
  await mkdir(folder, { recursive: true });
  await Promise.all(shots.map((shot) => take(browser, shot)));
} finally {
  stop.abort();
  await traffic;
  await browser.close();
  await server.close();
}

async function take(from: Browser, shot: Shot): Promise<void> {
  const { name, hash, colorScheme, width, height } = shot;
  const page = await from.newPage({ colorScheme, viewport: { width, height } });
  page.on("console", (message) => process.stderr.write(`${name}: ${message.text()}\n`));
  await page.goto(`${server.url}/#${hash}`);
  await page.getByLabel("Access token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await delay(Number(seconds) * 1_000);
  if (hash === "sql") {
    await page.getByLabel("SQL query").fill(SQL);
    await page.keyboard.press("Control+Enter");
    await page.getByRole("heading", { name: "Answer" }).waitFor();
    await delay(500);
  }
  const isPhone = width < 500;
  await page.screenshot({ path: resolve(join(folder, `${name}.png`)), fullPage: isPhone });
}
