/**
 * Builds an etcd of a given version from the modules that its project publishes: `build-etcd.ts VERSION FILE`. Needs Go and the network,
 * and some minutes; the tests then run it with `WALNUT_TEST_ETCD=FILE`. `go install` refuses etcd's server, whose module has
 * replacements; a main module of our own takes it as what it is to others, a library.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const SERVER = "go.etcd.io/etcd/server/v3";
const MAIN = `package main

import (
	"os"

	"${SERVER}/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
`;

const [version, file] = process.argv.slice(2);
if (version === undefined || file === undefined) {
  throw new Error(
    "usage: build-etcd.ts VERSION FILE, such as: build-etcd.ts v3.6.16 /tmp/etcd-3.6",
  );
}

const directory = mkdtempSync(join(tmpdir(), "build-etcd-"));
try {
  writeFileSync(join(directory, "main.go"), MAIN);
  go("mod", "init", "example.test/etcd");
  go("get", `${SERVER}/etcdmain@${version}`);
  go("build", "-o", resolve(file), ".");
} finally {
  rmSync(directory, { recursive: true });
}

function go(...words: readonly string[]): void {
  const { status, error } = spawnSync("go", words, { cwd: directory, stdio: "inherit" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`go ${words.join(" ")} failed`);
}
