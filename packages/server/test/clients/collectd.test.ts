/** collectd with our sample configuration: values that are put into it come out of SQL exactly. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { temporaryDirectory } from "../temporary-directory.ts";
import { rowsOf, startServer, TOKEN } from "./client-server.ts";
import { eventually, missingPrograms, startProgram, stopProgram } from "./foreign-program.ts";

const SAMPLE = new URL("../../../../deploy/collectd.conf", import.meta.url);
const skip = missingPrograms(["collectd"], "collectd-core");

suite("collectd", { skip }, () => {
  test("write_http: gauges, rates and several values at once", async (context) => {
    const server = await startServer(context);
    const folder = await temporaryDirectory();
    const sample = (await readFile(SAMPLE, "utf8"))
      .replace("http://127.0.0.1:8000/", `${server.url}/`)
      .replace('TOKEN"', `${TOKEN}"`);
    assert.ok(sample.includes(server.url) && sample.includes(TOKEN));
    const socket = join(folder, "socket");
    const configuration = join(folder, "collectd.conf");
    await writeFile(
      configuration,
      `Hostname "host-1"\nFQDNLookup false\nBaseDir "${folder}"\nPIDFile "${folder}/pid"\n` +
        `TypesDB "/usr/share/collectd/types.db"\nInterval 1\n` +
        // Several would race, and a value that is older than the last one is refused.
        `WriteThreads 1\n` +
        `LoadPlugin unixsock\n<Plugin unixsock>\nSocketFile "${socket}"\n</Plugin>\n${sample}`,
    );
    const collectd = startProgram("/usr/sbin/collectd", ["-f", "-C", configuration]);
    context.after(() => stopProgram(collectd));
    await eventually(() => put(socket, "LISTVAL"), "collectd's socket");
    const values = [
      "PUTVAL host-1/room-a/temperature-b interval=1 1700000000:21.25 1700000001:-3e-7",
      "PUTVAL host-1/load/load interval=1 1700000000:0.5:U:1.5 1700000001:1:2:3",
      "PUTVAL host-1/net/derive-rx interval=1 1700000000:100 1700000010:350",
    ];
    for (const line of values) assert.match((await put(socket, line)) ?? "", /^0 Success/, line);
    // Values that have not left its queue go with it when it stops; those in the buffer of the plugin are sent.
    await eventually(
      async () =>
        (await put(socket, "GETVAL host-1/net/derive-rx"))?.includes("value=2.5") || undefined,
      "collectd to take what was put",
    );
    await stopProgram(collectd);
    assert.equal(collectd.exitCode, 0);
    const time = "epoch_ms(time)";
    assert.deepEqual(
      await rowsOf(
        server,
        `SELECT ${time}, host, instance, type, type_instance, value FROM collectd.room ORDER BY 1`,
      ),
      [
        [1_700_000_000_000, "host-1", "a", "temperature", "b", 21.25],
        [1_700_000_001_000, "host-1", "a", "temperature", "b", -3e-7],
      ],
    );
    assert.deepEqual(
      await rowsOf(
        server,
        `SELECT ${time}, shortterm, midterm, longterm FROM collectd.load ORDER BY 1`,
      ),
      [
        [1_700_000_000_000, 0.5, null, 1.5],
        [1_700_000_001_000, 1, 2, 3],
      ],
    );
    const rates = await rowsOf(
      server,
      `SELECT ${time}, type_instance, value FROM collectd.net ORDER BY 1`,
    );
    assert.deepEqual(rates?.at(-1), [1_700_000_010_000, "rx", 25]);
  });
});

/** Sends one line to collectd's socket; its whole answer, or `undefined` when nobody listens. */
async function put(path: string, line: string): Promise<string | undefined> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    socket.write(`${line}\n`);
    let answer = "";
    // The first line begins with the number of those behind it.
    while (answer.split("\n").length - 2 < Number.parseInt(answer, 10) || !answer.endsWith("\n")) {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      answer += chunk.toString();
    }
    return answer;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
