/** An upstream with a certificate that nobody signed: nothing is sent until it is trusted. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openForwarder } from "@walnut/spool";
import { temporaryDirectory } from "../temporary-directory.ts";
import { until } from "./plain-upstream.ts";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const skip = hasOpenssl ? false : "openssl is not there, to make a certificate";

suite("an upstream with TLS", { timeout: 300_000 }, () => {
  test(
    "gets nothing while its certificate is not trusted, and everything then",
    { skip },
    async (context) => {
      const folder = temporaryDirectory(context);
      const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
      const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
      const subject = ["-subj", "/CN=upstream", "-addext", "subjectAltName=IP:127.0.0.1"];
      const files = ["-keyout", key, "-out", cert, "-days", "30"];
      const made = spawnSync("openssl", ["req", "-x509", ...kind, ...subject, ...files]);
      assert.equal(made.status, 0, String(made.stderr));
      let taken = 0;
      const pair = { cert: readFileSync(cert), key: readFileSync(key) };
      const server = createServer(pair, (request, response) => {
        taken += 1;
        request.resume().on("end", () => response.writeHead(204).end());
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      context.after(() => {
        server.close();
        server.closeAllConnections();
      });
      const options = {
        spool: { directory: temporaryDirectory(context), categories: ["logging"] },
        to: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
        protocol: "category",
        retryFirstDelayMs: 5,
        retryMaxDelayMs: 20,
      } as const;
      const distrustful = await openForwarder(options);
      await distrustful.put("logging", Buffer.from("line n=1"));
      await until(async () => ((await distrustful.status()).categories[0]?.retries ?? 0) > 2);
      assert.match((await distrustful.status()).categories[0]?.lastFailure ?? "", /certificate/);
      await distrustful.close();
      assert.equal(taken, 0);
      const trusting = await openForwarder({ ...options, ca: pair.cert.toString() });
      context.after(() => trusting.close());
      assert.equal(await trusting.drain(20_000), 0);
      assert.equal(taken, 1);
    },
  );
});
