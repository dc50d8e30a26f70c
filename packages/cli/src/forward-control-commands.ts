/**
 * `walnut forward status|pause|resume|drain|dead-letters`: a look at a running agent, and the hand on its switch.
 */
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import {
  agentBytes,
  askAgent,
  answerText,
  type AgentPlace,
  type ShownCategory,
  type ShownForwarder,
  type ShownLetter,
} from "./forward-client.ts";
import { formatDuration, plural } from "./quantity-text.ts";
import { formatBytes } from "./serve-text.ts";
import { definitionLines, tableLines, type TableColumn } from "./text-table.ts";

export interface ControlFlags {
  readonly url?: string;
  readonly json?: boolean;
}

export interface DrainFlags extends ControlFlags {
  readonly timeout: string;
}

const DEFAULT_URL = "http://127.0.0.1:9529";
const MS_PER_SECOND = 1_000;
const MAX_DRAIN_SECONDS = 3_600;
const ANSWER_AFTER_DRAIN_MS = 30_000;
const CATEGORY_COLUMNS: readonly TableColumn[] = [
  { title: "category", align: "left" },
  { title: "state", align: "left" },
  { title: "waiting", align: "right" },
  { title: "bytes", align: "right" },
  { title: "oldest", align: "right" },
  { title: "shipped", align: "right" },
  { title: "/s", align: "right" },
  { title: "retries", align: "right" },
  { title: "dead", align: "right" },
];
/** Of categories whose last try has failed. */
const STUCK_STATES: readonly string[] = ["retrying", "failed"];
const LETTER_COLUMNS: readonly TableColumn[] = [
  { title: "id", align: "right" },
  { title: "refused", align: "left" },
  { title: "category", align: "left" },
  { title: "items", align: "right" },
  { title: "bytes", align: "right" },
  { title: "status", align: "right" },
  { title: "answer", align: "left" },
];

function drainTimeoutMs(text: string): number {
  const seconds = text.trim() === "" ? Number.NaN : Number(text);
  if (seconds >= 0 && seconds <= MAX_DRAIN_SECONDS) return Math.round(seconds * MS_PER_SECOND);
  throw new CommandFailure(
    EXIT_USAGE,
    `--timeout must be a number of seconds from 0 to ${MAX_DRAIN_SECONDS}, found "${text}"`,
  );
}

/** Where the agent listens: a flag, the variable that the agent has as well, or where it listens by itself. */
export function agentPlace(
  { url }: ControlFlags,
  variables: Readonly<Record<string, string | undefined>>,
): AgentPlace {
  const listen = variables["WALNUT_FORWARD_LISTEN"];
  const address = url ?? (listen === undefined || listen === "" ? DEFAULT_URL : `http://${listen}`);
  const token = variables["WALNUT_FORWARD_LISTEN_TOKEN"];
  return { url: address.replace(/\/+$/, ""), token: token === "" ? undefined : token };
}

export async function forwardStatusCommand(
  flags: ControlFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const place = agentPlace(flags, context.environment.variables);
  // The shape is that of docs/forward.md.
  const status = (await askAgent(place, { method: "GET", path: "/status" })) as ShownForwarder;
  if (flags.json === true) output.json(status, terminal.isTerminal);
  else {
    const used = status.categories.filter(isUsed);
    const stuck = status.categories.filter(({ state }) => STUCK_STATES.includes(state));
    const blame =
      stuck.length === 0 ? "" : `; does not take ${stuck.map(({ name }) => name).join(", ")}`;
    output.line(
      ...definitionLines(
        [
          ["upstream", `${status.to}, ${status.state}${blame}`],
          [
            "spool",
            `${status.directory}, ${formatBytes(status.size_bytes)} of ${formatBytes(status.max_total_bytes)}`,
          ],
          ["survives", status.survives],
          ...status.warnings.map((warning) => ["warning", warning] as const),
          ["waiting", plural(status.depth, "item")],
          ["dead letters", String(status.dead_letters)],
        ],
        terminal,
      ),
    );
    if (used.length > 0) {
      output.line("", ...tableLines(CATEGORY_COLUMNS, used.map(categoryRow), terminal));
      output.line(...used.flatMap(categoryNotes));
    }
  }
  await output.flush();
  return EXIT_OK;
}

export async function forwardSwitchCommand(
  flags: ControlFlags,
  context: CommandContext,
  wanted: "pause" | "resume",
): Promise<number> {
  const place = agentPlace(flags, context.environment.variables);
  const { state } = (await askAgent(place, { method: "POST", path: `/${wanted}` })) as {
    readonly state: string;
  };
  if (flags.json === true) context.output.json({ state }, context.terminal.isTerminal);
  else context.output.line(state);
  await context.output.flush();
  return EXIT_OK;
}

export async function forwardDrainCommand(
  flags: DrainFlags,
  context: CommandContext,
): Promise<number> {
  const place = agentPlace(flags, context.environment.variables);
  const timeoutMs = drainTimeoutMs(flags.timeout);
  const question = { method: "POST", path: `/drain?timeout_ms=${timeoutMs}` };
  const answer = (await askAgent(place, {
    ...question,
    limitMs: timeoutMs + ANSWER_AFTER_DRAIN_MS,
  })) as { readonly left: number };
  if (flags.json === true) context.output.json(answer, context.terminal.isTerminal);
  else if (answer.left === 0) context.output.line("everything is shipped");
  else
    context.output.line(`${plural(answer.left, "item")} ${answer.left === 1 ? "is" : "are"} left`);
  await context.output.flush();
  return answer.left === 0 ? EXIT_OK : EXIT_FAILURE;
}

export async function listLettersCommand(
  flags: ControlFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const place = agentPlace(flags, context.environment.variables);
  const answer = (await askAgent(place, { method: "GET", path: "/dead-letters" })) as {
    readonly dead_letters: readonly ShownLetter[];
  };
  if (flags.json === true) output.json(answer, terminal.isTerminal);
  else if (answer.dead_letters.length === 0) output.line("none");
  else output.line(...tableLines(LETTER_COLUMNS, answer.dead_letters.map(letterRow), terminal));
  await output.flush();
  return EXIT_OK;
}

/** The body of a letter, as it was sent; as JSON with everything else about it. */
export async function showLetterCommand(
  id: string,
  flags: ControlFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const place = agentPlace(flags, context.environment.variables);
  const path = `/dead-letters/${encodeURIComponent(id)}`;
  const body = await agentBytes(place, { method: "GET", path });
  if (flags.json !== true) {
    await output.bytes(body);
    return EXIT_OK;
  }
  const { dead_letters } = (await askAgent(place, { method: "GET", path: "/dead-letters" })) as {
    readonly dead_letters: readonly ShownLetter[];
  };
  const letter = dead_letters.find((each) => String(each.id) === id);
  output.json(
    { ...letter, body_base64: Buffer.from(body).toString("base64") },
    terminal.isTerminal,
  );
  await output.flush();
  return EXIT_OK;
}

export async function redriveLettersCommand(
  id: string | undefined,
  flags: ControlFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const place = agentPlace(flags, context.environment.variables);
  const which = id === undefined ? "" : `/${encodeURIComponent(id)}`;
  const { results } = (await askAgent(place, {
    method: "POST",
    path: `/dead-letters${which}/redrive`,
    limitMs: 0,
  })) as {
    readonly results: readonly {
      readonly id: number;
      readonly is_stored: boolean;
      readonly answer: string;
    }[];
  };
  if (flags.json === true) output.json({ results }, terminal.isTerminal);
  else if (results.length === 0) output.line("none");
  else {
    for (const each of results) {
      output.line(
        `${each.id}: ${each.is_stored ? "stored" : `not stored: ${answerText(each.answer)}`}`,
      );
    }
  }
  await output.flush();
  return results.every(({ is_stored }) => is_stored) ? EXIT_OK : EXIT_FAILURE;
}

export async function discardLetterCommand(
  id: string,
  flags: ControlFlags,
  context: CommandContext,
): Promise<number> {
  const place = agentPlace(flags, context.environment.variables);
  await askAgent(place, { method: "DELETE", path: `/dead-letters/${encodeURIComponent(id)}` });
  if (flags.json === true) context.output.json({ id: Number(id) }, context.terminal.isTerminal);
  else context.output.line(`${id}: gone`);
  await context.output.flush();
  return EXIT_OK;
}

/** A category that nobody has written to is not worth a line. */
function isUsed(each: ShownCategory): boolean {
  const counts = [each.depth, each.shipped_items, each.retries, each.dead_letters];
  return [...counts, droppedItems(each), each.refused_items].some((count) => count > 0);
}

function droppedItems({ dropped }: ShownCategory): number {
  return dropped.oldest_records + dropped.newest_records;
}

/** What is rarely so, and must not be missed then. */
function categoryNotes(each: ShownCategory): readonly string[] {
  const { name, refused_items: refused, last_failure: failure } = each;
  const dropped = droppedItems(each);
  const notes: string[] = [];
  if (dropped > 0) notes.push(`${name}: ${plural(dropped, "item")} dropped, for want of room`);
  if (refused > 0) notes.push(`${name}: ${plural(refused, "item")} not taken, for want of room`);
  if (failure !== undefined) notes.push(`${name}: ${answerText(failure)}`);
  return notes;
}

function categoryRow(each: ShownCategory): readonly string[] {
  return [
    each.name,
    each.state,
    String(each.depth),
    formatBytes(each.depth_bytes),
    each.depth === 0 ? "-" : formatDuration(each.oldest_age_ms),
    String(each.shipped_items),
    each.items_per_second.toFixed(1),
    String(each.retries),
    String(each.dead_letters),
  ];
}

function letterRow(letter: ShownLetter): readonly string[] {
  return [
    String(letter.id),
    new Date(letter.refused_at_ms).toISOString(),
    letter.category,
    String(letter.items),
    String(letter.bytes),
    String(letter.status),
    answerText(letter.answer),
  ];
}
