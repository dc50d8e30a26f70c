/**
 * `npm run soak`: the server under load for as long as is asked for, killed again and again.
 *
 *     npm run soak -- --minutes 60 [--workers 2] [--rows-per-second 20000] [--object-store no]
 *
 * Exit code 0 when everything was as it should be. Where OpenStack Swift is installed (docs/testing.md), files move to it
 * and it is away for a while.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TestBucket } from "../objects/bucket.ts";
import {
  startSwift,
  SWIFT_ACCESS_KEY,
  SWIFT_MISSING,
  SWIFT_SECRET_KEY,
} from "../objects/swift-server.ts";
import { runSoak, type SoakObjectStore } from "./soak-run.ts";

const BUCKET = "walnut-soak";
const SECONDS_PER_MINUTE = 60;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    workers: { type: "string", default: "1" },
    "rows-per-second": { type: "string", default: "20000" },
    "object-store": { type: "string", default: "if-installed" },
    directory: { type: "string", default: tmpdir() },
  },
});

const directory = await mkdtemp(join(values.directory, "walnut-soak-"));
const swift = await objectStore();
try {
  const judgements = await runSoak({
    dataDirectory: directory,
    seconds: positive("minutes") * SECONDS_PER_MINUTE,
    workers: positive("workers"),
    rowsPerSecond: positive("rows-per-second"),
    objectStore: swift?.store,
    print: (line) => console.log(line),
  });
  for (const { name, isGood, text } of judgements) {
    console.log(`${isGood ? "ok    " : "MISSED"} ${name.padEnd(18)} ${text}`);
  }
  const missed = judgements.filter(({ isGood }) => !isGood).length;
  console.log(missed === 0 ? "soak: everything held" : `soak: ${missed} missed`);
  process.exitCode = missed === 0 ? 0 : 1;
} finally {
  await swift?.close();
  await rm(directory, { recursive: true, force: true });
}

function positive(name: "minutes" | "workers" | "rows-per-second"): number {
  const value = Number(values[name]);
  if (value > 0) return value;
  console.error(`--${name} is ${values[name]}; expected a number above 0`);
  process.exit(2);
}

async function objectStore(): Promise<
  { readonly store: SoakObjectStore; close(): Promise<void> } | undefined
> {
  if (values["object-store"] === "no") return undefined;
  if (SWIFT_MISSING !== undefined) {
    console.log(SWIFT_MISSING);
    return undefined;
  }
  const server = await startSwift();
  const bucket = await TestBucket.create(server, BUCKET);
  return {
    store: {
      flags: [
        "--storage-backend=s3",
        `--s3-bucket=${BUCKET}`,
        `--s3-endpoint=${server.endpoint}`,
        `--s3-access-key-id=${SWIFT_ACCESS_KEY}`,
      ],
      variables: { WALNUT_S3_SECRET_ACCESS_KEY: SWIFT_SECRET_KEY },
      stop: () => server.stopProxy(),
      start: () => server.startProxy(),
    },
    close: async () => {
      bucket.close();
      await server.close();
    },
  };
}
