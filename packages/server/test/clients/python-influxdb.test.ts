/** python3-influxdb, the library of Debian: writes points and reads them back. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { rowsOf, startServer, TOKEN } from "./client-server.ts";
import { hasPythonModule, run } from "./foreign-program.ts";

const skip = hasPythonModule("influxdb")
  ? false
  : "the Python module influxdb is missing; on Debian: apt-get install python3-influxdb";

const PROGRAM = `
import json, sys
from influxdb import InfluxDBClient
client = InfluxDBClient("127.0.0.1", int(sys.argv[1]), "u", sys.argv[2], "db", gzip=sys.argv[3] == "gzip")
version = client.ping()
client.create_database("db")
points = [{"measurement": "cpu load", "tags": {"host": "a, b=c"}, "time": 1700000000000000000 + i,
           "fields": {"v": i / 7, "n": i, "s": 'x"\\\\ %d' % i, "up": i % 2 == 0}} for i in range(1000)]
client.write_points(points, batch_size=300)
print(json.dumps({
  "version": version,
  "databases": client.get_list_database(),
  "measurements": client.get_list_measurements(),
  "rows": [dict(row, time=str(row["time"])) for row in client.query('SELECT v, n FROM "cpu load" WHERE n >= 998', epoch="ns").get_points()],
}))
`;

suite("python3-influxdb", { skip }, () => {
  for (const encoding of ["plain", "gzip"]) {
    test(`writes and reads, ${encoding}`, async (context) => {
      const server = await startServer(context);
      const words = ["-", String(server.port), TOKEN, encoding];
      const { code, stdout, stderr } = await run("/usr/bin/python3", words, PROGRAM);
      assert.equal(code, 0, stderr);
      const { version, ...answers } = JSON.parse(stdout);
      assert.match(version, /^1\.8\./);
      assert.deepEqual(answers, {
        databases: [{ name: "db" }],
        measurements: [{ name: "cpu load" }],
        rows: [
          { time: "1700000000000000998", v: 998 / 7, n: 998 },
          { time: "1700000000000000999", v: 999 / 7, n: 999 },
        ],
      });
      const rows = await rowsOf(
        server,
        'SELECT v, n, s, up, host, epoch_ns(time)::VARCHAR FROM db."cpu load" ORDER BY time',
      );
      assert.deepEqual(
        rows,
        Array.from({ length: 1_000 }, (_, index) => [
          index / 7,
          index,
          `x"\\ ${index}`,
          index % 2 === 0,
          "a, b=c",
          String(1_700_000_000_000_000_000n + BigInt(index)),
        ]),
      );
    });
  }
});
