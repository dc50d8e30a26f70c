/**
 * Retention over HTTP: `GET` and `PUT /api/v1/retention` for the rules, `POST /api/v1/retention/run` to look at once.
 *
 * Rules are one file for all workers, replaced as a whole and durable when they are answered.
 */
import { ServerError } from "../errors.ts";
import type { RetentionDirectory } from "../retention/retention-directory.ts";
import { parseRetentionRules } from "../retention/retention-rules.ts";
import type { Retention, RetentionRun } from "../retention/retention.ts";
import type { Question, WorkerGroup } from "../workers/worker-group.ts";
import { workersAnswer } from "./compaction-routes.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";
import { receiveText } from "./text-body.ts";

export interface RetentionRoutesOptions {
  readonly directory: RetentionDirectory;
  readonly retention: Retention;
  readonly defaultDays: number;
  readonly group: WorkerGroup;
}

interface RunSettings {
  readonly isDryRun: boolean;
  readonly trustsClock: boolean;
}

const RUN_RETENTION: Question<RunSettings, RetentionRun> = { name: "run-retention" };
const RUN_TIMEOUT_MS = 600_000;
const MAX_BODY_BYTES = 4_194_304; // 4 MiB
const PATH = "/api/v1/retention";

/** Says how this worker answers. Once, at start. */
export function answerRetention({ group, retention }: RetentionRoutesOptions): void {
  group.answer(RUN_RETENTION, (settings) => retention.run(settings));
}

/** The three routes. */
export function retentionRoutes(context: RetentionRoutesOptions): readonly Route[] {
  const { directory, defaultDays, group } = context;

  async function show(exchange: Exchange): Promise<void> {
    const rules = await directory.readRules();
    exchange.json(200, JSON.stringify({ success: true, default_days: defaultDays, rules }));
  }

  async function replace(exchange: Exchange): Promise<void> {
    const text = await receiveText(exchange, MAX_BODY_BYTES);
    if (text === undefined) return;
    const rules = parseRetentionRules(text);
    await directory.writeRules(rules);
    exchange.json(200, JSON.stringify({ success: true, default_days: defaultDays, rules }));
  }

  async function run(exchange: Exchange): Promise<void> {
    const settings = {
      isDryRun: flag(exchange, "dry_run"),
      trustsClock: flag(exchange, "trust_clock"),
    };
    const answers = await group.askAll(RUN_RETENTION, settings, { timeoutMs: RUN_TIMEOUT_MS });
    exchange.json(200, workersAnswer(answers, "result"));
  }

  const common = { availability: "ready" } as const;
  return [
    { name: "retention", method: "GET", path: PATH, access: "read", ...common, handle: show },
    {
      name: "retention_set",
      method: "PUT",
      path: PATH,
      access: "admin",
      ...common,
      handle: replace,
    },
    {
      name: "retention_run",
      method: "POST",
      path: `${PATH}/run`,
      access: "admin",
      ...common,
      handle: run,
    },
  ];
}

function flag(exchange: Exchange, name: string): boolean {
  const text = exchange.parameter(name) ?? "false";
  if (text === "true" || text === "1" || text === "") return true;
  if (text === "false" || text === "0") return false;
  throw new ServerError(
    "SERVER_INVALID_REQUEST",
    `${name} is ${JSON.stringify(text)}; expected true or false`,
  );
}
