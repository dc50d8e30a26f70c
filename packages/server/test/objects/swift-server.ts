/**
 * A real S3 server for tests: OpenStack Swift with its `s3api`, from Debian's packages.
 *
 * Account, container, object and proxy server and a memcached, one process each, on free ports of the
 * loopback, in a directory of their own, ended by their process ids. The proxy can be stopped and started
 * again on its port: an outage; and frozen: an outage that answers nothing.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, rmSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

/** What one account of the server signs with. */
export const SWIFT_ACCESS_KEY = "test:tester";
export const SWIFT_SECRET_KEY = "testing";

const FIRST_PORT = 10_000;
const PORTS = 20_000;

// The SDK's advice on versions of Node is nothing for the output of tests.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";

const PROGRAMS = [
  "swift-proxy-server",
  "swift-account-server",
  "swift-container-server",
  "swift-object-server",
  "python3",
  "memcached",
];
/** The rings of all three kinds in one run: Python takes longer to start than rings to make. Arguments: directory, ports. */
const MAKE_RINGS = `
import sys
from swift.common.ring import RingBuilder
directory, *ports = sys.argv[1:]
for kind, port in zip(("account", "container", "object"), ports):
    builder = RingBuilder(6, 1, 1)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(f"{directory}/{kind}.ring.gz")
`;
const FOLDERS = ["/usr/bin", "/usr/sbin", "/usr/local/bin"];
const START_TIMEOUT_MS = 180_000;
const KINDS = ["account", "container", "object"] as const;

/** Why the server cannot run here, or `undefined` when it can. For the `skip` option of a test. */
export const SWIFT_MISSING: string | undefined = findMissing();

function findMissing(): string | undefined {
  const missing = PROGRAMS.filter((name) => locate(name) === undefined);
  if (missing.length > 0) {
    return (
      `no S3 server here: ${missing.join(", ")} missing; on Debian: apt-get install ` +
      "--no-install-recommends swift-proxy swift-account swift-container swift-object memcached"
    );
  }
  try {
    accessSync("/etc/swift/swift.conf", constants.R_OK);
    return undefined;
  } catch {
    return "/etc/swift/swift.conf cannot be read by this user";
  }
}

function locate(program: string): string | undefined {
  return FOLDERS.map((folder) => path.join(folder, program)).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

// The runner ends a file that takes too long with SIGTERM: "exit" must be emitted all the same.
process.once("SIGTERM", () => process.exit(143));

/** A running Swift. Make it with {@link startSwift}. */
export class SwiftServer {
  readonly endpoint: string;
  readonly #directory: string;
  readonly #children: readonly Service[];
  readonly #proxy: Service;

  constructor(options: {
    readonly directory: string;
    readonly proxyPort: number;
    readonly children: readonly Service[];
    readonly proxy: Service;
  }) {
    this.#directory = options.directory;
    this.endpoint = `http://127.0.0.1:${options.proxyPort}`;
    this.#children = options.children;
    this.#proxy = options.proxy;
  }

  /** The outage: connections are refused. */
  async stopProxy(): Promise<void> {
    await this.#proxy.stop();
  }

  async startProxy(): Promise<void> {
    this.#proxy.start();
    await this.#proxy.answers();
  }

  /** Connections are taken and nothing is answered. */
  freezeProxy(): void {
    this.#proxy.signal("SIGSTOP");
  }

  thawProxy(): void {
    this.#proxy.signal("SIGCONT");
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children, this.#proxy].map(async (child) => await child.stop()));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** One process of the server. */
class Service {
  readonly #command: readonly string[];
  readonly #logFile: string;
  readonly #port: number;
  #child: ChildProcess | undefined;
  #output = "";

  constructor(options: {
    readonly command: readonly string[];
    readonly port: number;
    readonly logFile: string;
  }) {
    this.#command = options.command;
    this.#port = options.port;
    this.#logFile = options.logFile;
  }

  start(): void {
    const [program = "", ...words] = this.#command;
    const child = spawn(locate(program) ?? program, words, { stdio: ["ignore", "pipe", "pipe"] });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-20_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#child = child;
    // A test process that dies must not leave servers behind.
    process.once("exit", () => child.kill("SIGKILL"));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when the port takes connections and answers what it is asked. */
  async answers(): Promise<void> {
    const endMs = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      if (this.#child?.exitCode !== null || performance.now() > endMs) {
        await writeFile(this.#logFile, this.#output);
        throw new Error(`${this.#command.join(" ")} does not start:\n${this.#output}`);
      }
      const answer = await fetch(`http://127.0.0.1:${this.#port}/healthcheck`).catch(
        () => undefined,
      );
      if (answer?.ok === true) return;
      await delay(50);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGKILL");
    await ended;
  }
}

/** Starts a server. Takes a few seconds. */
export async function startSwift(): Promise<SwiftServer> {
  const directory = await mkdtemp(path.join(tmpdir(), "walnut-swift-"));
  const [proxyPort = 0, memcachedPort = 0, ...ports] = await freePorts(2 + KINDS.length);
  const children: Service[] = [];
  // That of the system, which has the packages.
  const python = locate("python3") ?? "python3";
  await promisify(execFile)(python, ["-c", MAKE_RINGS, directory, ...ports.map(String)]);
  await mkdir(path.join(directory, "devices", "d1"), { recursive: true });
  await mkdir(path.join(directory, "cache"));
  for (const [index, kind] of KINDS.entries()) {
    const port = ports[index] ?? 0;
    const config = path.join(directory, `${kind}-server.conf`);
    await writeFile(config, storageConfig(kind, { directory, port, user: process.env["USER"] }));
    const command = [`swift-${kind}-server`, config, "-v"];
    children.push(new Service({ command, port, logFile: path.join(directory, `${kind}.log`) }));
  }
  const memcached = new Service({
    command: [
      "memcached",
      "-l",
      "127.0.0.1",
      "-p",
      String(memcachedPort),
      "-m",
      "16",
      "-u",
      "nobody",
    ],
    port: memcachedPort,
    logFile: path.join(directory, "memcached.log"),
  });
  memcached.start();
  const config = path.join(directory, "proxy-server.conf");
  await writeFile(config, proxyConfig({ directory, port: proxyPort, memcachedPort }));
  const proxy = new Service({
    command: ["swift-proxy-server", config, "-v"],
    port: proxyPort,
    logFile: path.join(directory, "proxy.log"),
  });
  const server = new SwiftServer({
    directory,
    proxyPort,
    children: [...children, memcached],
    proxy,
  });
  try {
    for (const child of children) child.start();
    proxy.start();
    await Promise.all([...children, proxy].map(async (child) => await child.answers()));
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

function storageConfig(
  kind: (typeof KINDS)[number],
  options: {
    readonly directory: string;
    readonly port: number;
    readonly user: string | undefined;
  },
): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${options.port}
user = ${options.user ?? "root"}
swift_dir = ${options.directory}
devices = ${options.directory}/devices
mount_check = false
disable_fallocate = true
workers = 0
log_level = ERROR

[pipeline:main]
pipeline = healthcheck ${kind}-server

[filter:healthcheck]
use = egg:swift#healthcheck

[app:${kind}-server]
use = egg:swift#${kind}
recon_cache_path = ${options.directory}/cache
`;
}

function proxyConfig(options: {
  readonly directory: string;
  readonly port: number;
  readonly memcachedPort: number;
}): string {
  const filters = {
    catch_errors: "catch_errors",
    gatekeeper: "gatekeeper",
    healthcheck: "healthcheck",
    listing_formats: "listing_formats",
    bulk: "bulk",
    copy: "copy",
    slo: "slo",
    symlink: "symlink",
    versioned_writes: "versioned_writes",
  };
  const sections = Object.entries(filters).map(
    ([name, egg]) => `[filter:${name}]\nuse = egg:swift#${egg}\n`,
  );
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${options.port}
user = ${process.env["USER"] ?? "root"}
swift_dir = ${options.directory}
workers = 0
log_level = ERROR

[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo symlink versioned_writes proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
recheck_account_existence = 0
recheck_container_existence = 0

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${options.memcachedPort}

[filter:s3api]
use = egg:swift#s3api
location = us-east-1
min_segment_size = 1048576
max_bucket_listing = 5

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin

${sections.join("\n")}`;
}

/**
 * Ports below those that the system gives to whoever asks for any: between the choice and the start of its program nobody else
 * gets one.
 */
async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
