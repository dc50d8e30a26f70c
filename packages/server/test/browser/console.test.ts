/** The console as people meet it: a real server, a real client that writes, a real Chromium. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, suite, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import type { ServerOptions } from "../../src/server-options.ts";
import { ForwardProcess } from "../process/forward-process.ts";
import { ServerProcess } from "../process/server-process.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { findChromium, launchChromium } from "./chromium.ts";
import { LOW_CONTRAST_SCRIPT } from "./low-contrast.ts";
import { writeTraffic } from "./traffic.ts";

const TOKEN = "browser-test-token";
const PHONE = { width: 360, height: 740 };
/** AA of WCAG 2.2 for text of normal size. */
const MIN_CONTRAST = 4.5;

const executable = findChromium();
const skip =
  executable === undefined &&
  "Chromium is not installed (apt-get install chromium), so the console cannot be looked at";

suite("console in Chromium", { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium(executable ?? "");
  });
  after(async () => {
    await browser.close();
  });

  async function startServer(
    context: TestContext,
    options: ServerOptions = {},
  ): Promise<WalnutServer> {
    const dataDirectory = await temporaryDirectory();
    const server = await openServer({ port: 0, token: TOKEN, dataDirectory, ...options });
    context.after(() => server.close());
    await server.ready;
    return server;
  }

  /** Writes until the test ends. */
  function keepWriting(context: TestContext, server: WalnutServer): void {
    const stop = new AbortController();
    const traffic = writeTraffic({ url: server.url, token: TOKEN }, stop.signal);
    context.after(async () => {
      stop.abort();
      await traffic;
    });
  }

  interface OpenedPage {
    readonly page: Page;
    /** Everything the browser complained about: errors of the script, of the network, of the policy. */
    readonly complaints: readonly string[];
  }

  async function openPage(
    context: TestContext,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<OpenedPage> {
    const visit = await browser.newContext(options);
    context.after(() => visit.close());
    const page = await visit.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning")
        complaints.push(message.text());
    });
    await page.goto(url);
    return { page, complaints };
  }

  async function logIn(page: Page): Promise<void> {
    await page.getByLabel("Access token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Rows per second" }).waitFor();
  }

  /** Presses Tab until the focused element is the wanted one. */
  async function tabTo(page: Page, isWanted: string): Promise<void> {
    for (let step = 0; step < 20; step++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(`document.activeElement.${isWanted}`)) return;
    }
    assert.fail(`nothing that Tab reaches has ${isWanted}`);
  }

  /** Text has contrast, and nothing is wider than the screen. */
  async function assertLegible(page: Page): Promise<void> {
    const script = LOW_CONTRAST_SCRIPT.replace("MIN", String(MIN_CONTRAST));
    assert.deepEqual(await page.evaluate(script), []);
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assert.ok(Number(overflow) <= 0, `${String(overflow)} px wider than the screen`);
  }

  function figure(page: Page, name: string) {
    const box = page.locator(".figure", { has: page.getByText(name, { exact: true }) });
    return box.locator(".figure-value");
  }

  test("numbers move while a client writes, in both colours and on a phone, without a complaint", async (context) => {
    const server = await startServer(context);
    keepWriting(context, server);
    for (const options of [
      { colorScheme: "light" as const },
      { colorScheme: "dark" as const },
      { colorScheme: "light" as const, viewport: PHONE },
    ]) {
      const { page, complaints } = await openPage(context, server.url, options);
      await logIn(page);
      const detail = page.getByText(/ since start$/).first();
      await page.getByRole("row", { name: /^demo\.cpu/ }).waitFor();
      const first = await detail.textContent();
      await page
        .locator(".figure-detail")
        .first()
        .filter({ hasNotText: first ?? "" })
        .waitFor();
      assert.match((await figure(page, "Rows").textContent()) ?? "", /^[1-9][\d,]*\/s$/);
      assert.match(
        (await page.getByRole("img", { name: /^Rows per second/ }).getAttribute("aria-label")) ??
          "",
        /demo\.cpu: [1-9]/,
      );
      await page.getByRole("listbox", { name: /Segments/ }).waitFor();
      assert.equal(
        await page.evaluate("document.documentElement.dataset.theme"),
        options.colorScheme,
      );
      await assertLegible(page);
      assert.deepEqual(complaints, []);
    }
  });

  test("an agent on the same host is shown with two workers, in both colours and on a phone", async (context) => {
    const upstream = createServer((request, response) => {
      request.resume();
      response.writeHead(request.url?.endsWith("/tracing") === true ? 503 : 204).end();
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    context.after(() => {
      upstream.closeAllConnections();
      upstream.close();
    });
    const { port } = upstream.address() as AddressInfo;
    const secret = { WALNUT_FORWARD_LISTEN_TOKEN: "hush-hush" };
    const agent = await ForwardProcess.start(context, {
      to: `http://127.0.0.1:${port}`,
      flags: ["--protocol", "category"],
      variables: secret,
    });
    const server = ServerProcess.start({
      dataDirectory: await temporaryDirectory(),
      flags: ["--workers", "2", "--forward-listen", agent.listen],
      variables: { WALNUT_TOKEN: TOKEN, ...secret },
    });
    context.after(() => server.kill("SIGKILL"));
    const headers = { authorization: "Bearer hush-hush" };
    await agent.put("logging", "app m=1\n", headers);
    await agent.put("tracing", "span m=1\n", headers);
    const url = await server.readyUrl();
    for (const options of [
      { colorScheme: "light" as const },
      { colorScheme: "dark" as const },
      { colorScheme: "light" as const, viewport: PHONE },
    ]) {
      const { page, complaints } = await openPage(context, url, options);
      await logIn(page);
      const panel = page.getByRole("region", { name: "Forwarder" }).first();
      // Waiting, on disk, oldest, in, out, shipped, retries, dropped, refused, dead letters.
      await panel.getByRole("row", { name: /^logging idle 0 0 B – \S+ \S+ 1 0 0 0 0$/ }).waitFor();
      await panel.getByRole("row", { name: /^tracing \w+ 1 .* 0 [1-9]\d* 0 0 0$/ }).waitFor();
      await panel.getByText(/^Upstream http:\S+ does not take tracing: 503/).waitFor();
      await panel.getByText("Running").waitFor();
      await panel.getByRole("meter", { name: "Capacity used" }).waitFor();
      await assertLegible(page);
      assert.doesNotMatch(await page.content(), /hush/);
      assert.deepEqual(complaints, []);
      await page.close();
    }
    const { page } = await openPage(context, url);
    await logIn(page);
    const panel = page.getByRole("region", { name: "Forwarder" }).first();
    await panel.getByRole("row", { name: /^logging/ }).waitFor();
    await tabTo(page, 'getAttribute("aria-labelledby") === "forwarder-title"');
    await fetch(`${agent.url}/v1/forward/pause`, { method: "POST", headers });
    await panel.getByText(/^Paused/).waitFor();
    await agent.kill();
    await panel.getByText(/^Not running/).waitFor();
    await page.getByText("ready", { exact: true }).waitFor();
  });

  test("a query shows a table and a chart, an error its place, and rows can be taken along", async (context) => {
    const server = await startServer(context);
    const body = ["a", "b"].flatMap((host) =>
      [1, 2, 3].map((at) => `cpu,host=${host} usage=${at} ${at}000000000`),
    );
    const headers = { authorization: `Bearer ${TOKEN}` };
    await fetch(`${server.url}/write?db=demo`, { method: "POST", headers, body: body.join("\n") });
    const { page, complaints } = await openPage(context, `${server.url}/#sql`);
    await page.getByLabel("Access token").fill(TOKEN);
    await page.keyboard.press("Enter");
    const editor = page.getByLabel("SQL query");
    await editor.fill("SELECT time, host, usage FROM demo.cpu ORDER BY time, host");
    await editor.press("Control+Enter");
    await page.getByRole("row", { name: "1970-01-01 00:00:03 b 3" }).waitFor();
    await page
      .getByRole("img", { name: "Answer over time. a: 3 now, at most 3; b: 3 now, at most 3" })
      .waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download CSV" }).click();
    const csv = await readFile(await (await download).path(), "utf8");
    assert.equal(csv.split("\r\n")[1], "1970-01-01T00:00:01.000000000Z,a,1");
    await editor.fill("SELECT 1,\n  nothing FROM demo.cpu");
    await editor.press("Control+Enter");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match(
      (await alert.textContent()) ?? "",
      /SERVER_INVALID_QUERY, line 2, column 3.*nothing/s,
    );
    await editor.press("Alt+ArrowUp");
    await editor.press("Alt+ArrowUp");
    assert.match(await editor.inputValue(), /^SELECT time, host/);
    // Chromium itself reports the 400.
    assert.deepEqual(
      complaints.filter((text) => !text.includes("status of 400")),
      [],
    );
  });

  test("everything can be reached with the keyboard alone", async (context) => {
    const server = await startServer(context);
    keepWriting(context, server);
    const { page } = await openPage(context, server.url);
    const press = async (key: string, times = 1): Promise<void> => {
      for (let time = 0; time < times; time++) await page.keyboard.press(key);
    };
    const focused = (): Promise<unknown> =>
      page.evaluate(
        "document.activeElement.textContent.trim() || document.activeElement.ariaLabel",
      );
    await page.keyboard.type(TOKEN);
    await press("Enter");
    await page.getByRole("row", { name: /^demo\.cpu/ }).waitFor();
    await press("Tab");
    assert.equal(await focused(), "Skip to content");
    await press("Tab", 2);
    assert.equal(await focused(), "SQL");
    const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assert.equal(outline, "solid");
    await press("Tab");
    assert.equal(await focused(), "Colours: auto");
    await press("Enter");
    assert.equal(await page.evaluate("document.documentElement.dataset.theme"), "light");
    await press("Enter");
    assert.equal(await page.evaluate("document.documentElement.dataset.theme"), "dark");
    await tabTo(page, 'getAttribute("role") === "listbox"');
    await press("Home");
    await page.getByRole("option", { selected: true }).waitFor();
    await press("Shift+Tab", 5);
    for (let step = 0; step < 12 && (await focused()) !== "SQL"; step++) await press("Shift+Tab");
    await press("Enter");
    await page.getByLabel("SQL query").waitFor();
    await page.locator("textarea:focus").waitFor();
    await press("Control+a");
    await page.keyboard.type("SELECT 40 + 2 AS answer");
    await press("Control+Enter");
    await page.getByRole("cell", { name: "42" }).waitFor();
  });

  test("assistive programs find landmarks, headings and a name for every control", async (context) => {
    const server = await startServer(context);
    const { page } = await openPage(context, server.url);
    await logIn(page);
    await page.getByText("Nothing has been written yet").waitFor();
    const tree = await page.locator("body").ariaSnapshot();
    for (const part of [
      "banner",
      'heading "Walnut" [level=1]',
      'navigation "Views"',
      "main",
      'region "The log"',
      'heading "Sync latency" [level=2]',
      'listbox "Segments; arrow keys choose one"',
      "contentinfo",
    ]) {
      assert.ok(tree.includes(part), `${part} is missing in:\n${tree}`);
    }
    const nameless = await page.evaluate(
      `[...document.querySelectorAll("button, input, select, textarea, [tabindex='0']")]
        .filter((element) => !element.hidden && !(element.ariaLabel || element.textContent.trim() || element.labels?.length || element.getAttribute("aria-labelledby")))
        .map((element) => element.outerHTML)`,
    );
    assert.deepEqual(nameless, []);
  });

  test("an empty server shows a line that, pasted into a shell, writes the first point", async (context) => {
    const folder = await temporaryDirectory();
    const server = await openServer({ port: 0, dataDirectory: join(folder, "data") });
    context.after(() => server.close());
    await server.ready;
    const { page } = await openPage(context, server.url);
    await page
      .getByLabel("Access token")
      .fill((await readFile(join(folder, "data", "token"), "utf8")).trim());
    await page.keyboard.press("Enter");
    const command = await page.locator(".first-point pre").textContent();
    const { stdout } = await promisify(execFile)("bash", ["-c", command ?? ""], { cwd: folder });
    assert.match(stdout, /^HTTP\/1.1 204/);
    await page.getByRole("button", { name: "demo.cpu" }).click();
    await page.getByRole("cell", { name: "0.64" }).waitFor();
  });

  test("the token is asked for once, checked, and kept nowhere but in the tab", async (context) => {
    const server = await startServer(context);
    const { page } = await openPage(context, server.url);
    await page.getByLabel("Access token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("The server does not know this token.").waitFor();
    await page.getByLabel("Access token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByText("Nothing has been written yet").waitFor();
    await page.reload();
    await page.getByText("Nothing has been written yet").waitFor();
    assert.doesNotMatch(page.url(), new RegExp(TOKEN));
    assert.equal(
      await page.evaluate("JSON.stringify({ ...localStorage }) + document.cookie"),
      "{}",
    );
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Access token").waitFor();
    assert.equal(await page.evaluate("sessionStorage.getItem('walnut.token')"), null);
  });

  test("a server that goes away and comes back is told, and the page goes on", async (context) => {
    const server = await startServer(context);
    const { page } = await openPage(context, server.url);
    await logIn(page);
    await page.getByText("ready", { exact: true }).waitFor();
    await server.close();
    await page.getByText(/No answer for/).waitFor();
    const again = await openServer({
      port: server.port,
      token: TOKEN,
      dataDirectory: server.dataDirectory,
    });
    context.after(() => again.close());
    await page.getByText("ready", { exact: true }).waitFor();
    await page.getByText(/No answer for/).waitFor({ state: "detached" });
  });

  test("writes that are refused for want of room are told in words, with what to do", async (context) => {
    // Nothing is flushed before the memory is full.
    const limits = { maxMemoryBytes: 1_048_576, flushRows: 4_000_000, flushAgeMs: 3_600_000 };
    const server = await startServer(context, limits);
    keepWriting(context, server);
    const { page } = await openPage(context, server.url);
    await logIn(page);
    await page.getByText(/requests refused for want of room \(503\)/).waitFor();
    await page.getByText(/MiB of rows wait for their flush/).waitFor();
    await page.getByText("degraded", { exact: true }).waitFor();
    await page.getByRole("rowheader", { name: "SERVER_OVERLOADED" }).waitFor();
  });

  test("recovery is shown with its progress while /ready is 503", async (context) => {
    const server = await startServer(context);
    const { page } = await openPage(context, server.url);
    // A recovery is over before a browser looks; the answer is the server's own, with what it says meanwhile.
    await page.route("**/api/v1/overview", async (route) => {
      const answer = await route.fetch();
      if (!answer.ok()) {
        await route.fulfill({ response: answer });
        return;
      }
      const overview = (await answer.json()) as { status: string; workers: object[] };
      const progress = {
        phase: "replay",
        segmentsDone: 7,
        segmentsTotal: 9,
        bytesDone: 5_242_880,
        bytesTotal: 10_485_760,
        records: 9,
        rows: 1234,
        bytesPerSecond: 1_048_576,
        etaSeconds: 5,
      };
      const worker = {
        ...overview.workers[0],
        phase: "recovering",
        logs: [],
        store: null,
        recovery: null,
        progress,
      };
      await route.fulfill({
        json: { ...overview, status: "recovering", tables: [], workers: [worker] },
      });
    });
    await logIn(page);
    await page.getByText(/recovering its log: 5.00 MiB of 10.0 MiB, 5 s left/).waitFor();
    await page.getByRole("progressbar", { name: "Recovery" }).waitFor();
    await page.getByText("1,234 rows in 9 records").waitFor();
    await page.getByText("Tables are shown when the server is ready.").waitFor();
  });
});
