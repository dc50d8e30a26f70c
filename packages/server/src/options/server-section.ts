/** Options of the section `[server]`: where the server listens, how it starts and stops. */
import { MAX_WORKERS } from "../workers/shard.ts";
import { HOUR_MS, type RowsOf } from "./option-row.ts";

/** What happens to writes that come before the log is recovered. */
export type WritesDuringRecovery = "refuse" | "wait";

/** Options of the section `[server]`. */
export interface ServerSection {
  /**
   * TCP port to listen on; 0 lets the system choose one. Default 8000. Range 0 to 65,535.
   */
  readonly port?: number | undefined;
  /**
   * Address to listen on. The default, "127.0.0.1", is reachable from this machine only; "0.0.0.0" or "::"
   * opens the server to the network, where the token is the only guard.
   */
  readonly host?: string | undefined;
  /**
   * Processes that share the port, each with its own log. Default 1: everything in one process. Range 1 to 64.
   */
  readonly workers?: number | undefined;
  /**
   * How long a stop waits for requests in flight, in milliseconds; their connections are cut after it.
   * Default 30,000. Range 0 to 3,600,000.
   */
  readonly shutdownTimeoutMs?: number | undefined;
  /** File with the certificate, PEM, followed by those between it and the root. With `tlsKey`: the port speaks HTTPS. */
  readonly tlsCert?: string | undefined;
  /** File with the key of `tlsCert`, PEM, without a passphrase. */
  readonly tlsKey?: string | undefined;
  /** File with the certificates, PEM, that must have signed what clients show. Left out: clients show none. */
  readonly tlsClientCa?: string | undefined;
  /**
   * Writes that come before the log is recovered: "refuse" (default) answers 503 with the time to come back after,
   * "wait" lets them wait until it is, within the next two limits.
   */
  readonly writesDuringRecovery?: WritesDuringRecovery | undefined;
  /**
   * Longest wait of a write for recovery, in milliseconds; less than `requestTimeoutMs`. Default 30,000.
   * Range 100 to 3,600,000.
   */
  readonly recoveryWaitMs?: number | undefined;
  /**
   * Writes that wait for recovery at one time; their bodies together are bounded by `maxInFlightBytes`. Default 256.
   * Range 1 to 100,000.
   */
  readonly maxWaitingWrites?: number | undefined;
}

export const SERVER_SECTION: RowsOf<ServerSection> = {
  port: {
    kind: "integer",
    toml: "server.port",
    flag: "port",
    unit: "",
    min: 0,
    max: 65_535,
    default: 8_000,
    summary: "port to listen on; 0 lets the system choose",
  },
  host: {
    kind: "text",
    toml: "server.host",
    flag: "host",
    default: "127.0.0.1",
    summary: "address to listen on",
  },
  workers: {
    kind: "integer",
    toml: "server.workers",
    flag: "workers",
    unit: "",
    min: 1,
    max: MAX_WORKERS,
    default: 1,
    summary: "processes that share the port, each with its own log",
  },
  shutdownTimeoutMs: {
    kind: "integer",
    toml: "server.shutdown_timeout_ms",
    flag: "shutdown-timeout-ms",
    unit: "ms",
    min: 0,
    max: HOUR_MS,
    default: 30_000,
    summary: "how long a stop waits for requests in flight",
  },
  tlsCert: {
    kind: "text",
    toml: "server.tls_cert",
    flag: "tls-cert",
    defaultText: "none: plain HTTP",
    summary: "file with the certificate of the port, PEM",
  },
  tlsKey: {
    kind: "text",
    toml: "server.tls_key",
    flag: "tls-key",
    defaultText: "none",
    summary: "file with the key of the certificate, PEM",
  },
  tlsClientCa: {
    kind: "text",
    toml: "server.tls_client_ca",
    flag: "tls-client-ca",
    defaultText: "none: clients show no certificate",
    summary: "file with the CA of the certificates that clients must show, PEM",
  },
  writesDuringRecovery: {
    kind: "choice",
    toml: "server.writes_during_recovery",
    flag: "writes-during-recovery",
    choices: ["refuse", "wait"],
    default: "refuse",
    summary: "writes that come before the log is recovered: 503, or wait",
  },
  recoveryWaitMs: {
    kind: "integer",
    toml: "server.recovery_wait_ms",
    flag: "recovery-wait-ms",
    unit: "ms",
    min: 100,
    max: HOUR_MS,
    default: 30_000,
    summary: "longest wait of a write for recovery",
  },
  maxWaitingWrites: {
    kind: "integer",
    toml: "server.max_waiting_writes",
    flag: "max-waiting-writes",
    unit: "",
    min: 1,
    max: 100_000,
    default: 256,
    summary: "writes that wait for recovery at one time",
  },
};
