/**
 * What `npm publish` would publish: each package as a tarball, unpacked into an empty folder and used there as a stranger would.
 *
 * The tarballs are laid out as npm installs them. Dependencies of others are linked from this repository, and only those that a
 * package.json names: nothing is downloaded.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";
import { ROOT } from "./setup.mjs";

/** Each package, and the most that its tarball may hold, unpacked: what is built, and not much more. */
const MAX_UNPACKED_BYTES = {
  wal: 1024 * 1024,
  series: 512 * 1024,
  "raft-log": 1024 * 1024,
  spool: 512 * 1024,
  console: 512 * 1024,
  server: 3 * 1024 * 1024,
  cli: 1024 * 1024,
} as const;

const EXPECTED_FILE =
  /^(package\.json|README\.md|LICENSE|dist\/(?!.*(\.map|tsbuildinfo|\.test\.\w+)$).+)$/;

/** Apart from its package, so that the rule about imports does not take it for one of this file. */
const IMPORT = "import { isWalError, openWal, type Wal, type WalOptions } from";
const PROGRAM = `${IMPORT} "@walnut/wal";
const options: WalOptions = { directory: "log" };
const wal: Wal = await openWal(options);
const lsn: number = await wal.append(new TextEncoder().encode("first"));
for await (const { lsn: found, payload } of wal.read({ from: lsn })) {
  console.log(found, new TextDecoder().decode(payload));
}
await wal.close();
await wal.append(new Uint8Array(1)).catch((error: unknown) => console.log(isWalError(error, "WAL_CLOSED")));
`;

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

suite("packages as they are published", () => {
  const folder = mkdtempSync(join(tmpdir(), "walnut-pack-"));
  const modules = join(folder, "node_modules");

  test("hold what was built, README and license, and no files of development", (context) => {
    for (const [name, maxBytes] of Object.entries(MAX_UNPACKED_BYTES)) {
      const source = join(ROOT, "packages", name);
      const packing = run("npm", ["pack", "--json", "--pack-destination", folder], source);
      const [packed] = JSON.parse(packing) as Packed[];
      assert.ok(packed !== undefined);
      const paths = packed.files.map(({ path }) => path);
      assert.deepEqual(
        paths.filter((path) => !EXPECTED_FILE.test(path)),
        [],
        name,
      );
      for (const path of ["dist/index.js", "dist/index.d.ts"]) assert.ok(paths.includes(path));
      assert.ok(packed.unpackedSize <= maxBytes, `${name}: ${packed.unpackedSize} bytes`);
      context.diagnostic(`${name}: ${paths.length} files, ${packed.unpackedSize} bytes`);
      install(join(folder, packed.filename), name);
    }
  });

  for (const [module, resolution] of [
    ["node16", "node16"],
    ["esnext", "bundler"],
  ] as const) {
    test(`types of the engine are found by module resolution "${resolution}", and it runs`, () => {
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      writeFileSync(join(folder, "program.ts"), PROGRAM);
      const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
      const resolving = ["--module", module, "--moduleResolution", resolution];
      const libraries = ["--target", "es2022", "--lib", "es2022,esnext.disposable"];
      const typeRoots = ["--typeRoots", join(ROOT, "node_modules", "@types"), "--types", "node"];
      const flags = ["--strict", ...resolving, ...libraries, ...typeRoots];
      run(process.execPath, [compiler, ...flags, "program.ts"], folder);
      rmSync(join(folder, "log"), { recursive: true, force: true });
      const printed = run(process.execPath, ["program.js"], folder);
      assert.deepEqual(printed.split("\n"), ["1 first", "true", ""]);
    });
  }

  test("the walnut command starts", () => {
    const { bin } = packageJson(join(modules, "@walnut", "cli"));
    const program = join(modules, "@walnut", "cli", bin?.["walnut"] ?? "");
    assert.match(run(process.execPath, [program, "--help"], folder), /^Usage: walnut /m);
    assert.match(readFileSync(program, "utf8"), /^#!\/usr\/bin\/env node\n/);
    const verified = run(process.execPath, [program, "verify", "log"], folder);
    assert.match(verified, /1 record /);
  });

  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  /** Unpacks a tarball where npm would, and links what it names beside it. */
  function install(tarball: string, name: string): void {
    const target = join(modules, "@walnut", name);
    mkdirSync(target, { recursive: true });
    run("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"], folder);
    for (const dependency of Object.keys(packageJson(target).dependencies ?? {})) {
      if (dependency.startsWith("@walnut/")) continue;
      const link = join(modules, dependency);
      mkdirSync(dirname(link), { recursive: true });
      rmSync(link, { force: true });
      symlinkSync(join(ROOT, "node_modules", dependency), link);
    }
    const license = readFileSync(join(ROOT, "LICENSE"), "utf8");
    assert.equal(readFileSync(join(target, "LICENSE"), "utf8"), license);
  }
});

interface PackageJson {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
}

function packageJson(directory: string): PackageJson {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as PackageJson;
}

function run(program: string, programArguments: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, programArguments, {
    cwd,
    encoding: "utf8",
  });
  assert.equal(status, 0, `${program}: ${stdout}${stderr}${String(error)}`);
  return stdout;
}
