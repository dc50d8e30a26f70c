/**
 * What an operator should know now, in words, with what to do. Pure.
 *
 * The server finds most of it; the console adds what is only seen from outside: refused requests, and a server that
 * does not answer.
 */
import type { Overview } from "../overview.ts";
import { judgeUpstream } from "./forwarder-health.ts";
import { formatBytes, formatCount, formatDuration, plural } from "./quantity.ts";
import type { Sample } from "./rates.ts";

/** One message. */
export interface Notice {
  readonly tone: "bad" | "warning" | "note";
  readonly title: string;
  readonly advice: string;
}

/** What to say while requests are refused with a code. */
export interface Trouble {
  readonly tone: Notice["tone"];
  /** Follows a number per second. */
  readonly what: string;
  readonly advice: string;
}

/** Error codes that an operator should know of, and not only the client that met them. */
export const TROUBLES: ReadonlyMap<string, Trouble> = new Map<string, Trouble>([
  [
    "SERVER_OVERLOADED",
    {
      tone: "warning",
      what: "requests refused for want of room (503)",
      advice:
        "Nothing is lost: clients wait for Retry-After and send again. If it lasts: fewer clients at once, a faster disk, or higher limits of memory.",
    },
  ],
  [
    "SERVER_WAL_UNAVAILABLE",
    {
      tone: "bad",
      what: "writes refused because the log cannot take them (503)",
      advice:
        "The disk is full or has failed. Free space on the log’s device, and writing resumes by itself. After a failed disk: replace it and restart.",
    },
  ],
  [
    "SERVER_CLIENT_OVER_LIMIT",
    {
      tone: "warning",
      what: "requests of clients over their share (429)",
      advice: "These clients wait for Retry-After; others are not affected.",
    },
  ],
  [
    "SERVER_UNAUTHORIZED",
    {
      tone: "warning",
      what: "requests without a valid token (401)",
      advice: "A client has an old or wrong token: look at its configuration.",
    },
  ],
  [
    "SERVER_FORBIDDEN",
    {
      tone: "warning",
      what: "requests whose token may not do that (403)",
      advice: "A client needs a token with another right: walnut token create.",
    },
  ],
  [
    "SERVER_TYPE_CONFLICT",
    {
      tone: "warning",
      what: "writes refused because a field changed its type (400)",
      advice: "The client’s answer names the field and both types. Make the writers agree.",
    },
  ],
  [
    "SERVER_STORAGE_CORRUPT",
    {
      tone: "bad",
      what: "requests that met damaged files (500)",
      advice: "The server’s log names the files. Restore them from a backup.",
    },
  ],
  [
    "SERVER_INTERNAL",
    {
      tone: "bad",
      what: "requests that met a mistake of the server (500)",
      advice: "The server’s log has the details.",
    },
  ],
]);

/** Everything to be told, the worst first. */
export function findNotices(overview: Overview, sample: Sample | undefined): readonly Notice[] {
  const notices = [
    ...silentNotices(overview),
    ...phaseNotices(overview),
    ...findingNotices(overview),
    ...uploadNotices(overview),
    ...forwarderNotices(overview),
  ];
  for (const [code, perSecond] of sample?.errors ?? []) {
    const trouble = TROUBLES.get(code);
    if (trouble === undefined) continue;
    notices.push({
      tone: trouble.tone,
      title: `${formatCount(perSecond)}/s ${trouble.what}`,
      advice: trouble.advice,
    });
  }
  const order = ["bad", "warning", "note"];
  return notices.toSorted((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
}

/** What to say when the server does not answer. */
export function unreachableNotice(reason: string, sinceMs: number): Notice {
  return {
    tone: "bad",
    title: `No answer for ${formatDuration(sinceMs)}: ${reason}`,
    advice:
      "Is the server running, and is it reached from here? The console goes on trying; what you see is the last known state.",
  };
}

function silentNotices({ silent }: Overview): readonly Notice[] {
  return silent.map(({ worker, reason }) => ({
    tone: "bad",
    title: `Worker ${worker} does not answer: ${reason}`,
    advice:
      "It is started again when its process has ended, and recovers its log. Its numbers are missing here until then.",
  }));
}

function phaseNotices(overview: Overview): readonly Notice[] {
  return overview.workers.flatMap((worker): readonly Notice[] => {
    const name = overview.workers.length === 1 ? "The server" : `Worker ${worker.worker}`;
    switch (worker.phase) {
      case "ready":
        return [];
      case "recovering":
        return [
          {
            tone: "note",
            title: `${name} is recovering its log: ${formatBytes(worker.progress.bytesDone)} of ${formatBytes(worker.progress.bytesTotal)}${timeLeft(worker.progress)}`,
            advice:
              "Nothing to do. Writes and queries are served when it is done; /ready says when.",
          },
        ];
      case "stopping":
        return [
          {
            tone: "note",
            title: `${name} is stopping`,
            advice: "Requests in flight are answered and rows are flushed first.",
          },
        ];
      case "failed":
      case "closed":
        return [
          {
            tone: "bad",
            title: `${name} could not start`,
            advice: "The server’s log says why. Nothing in the data directory was given up.",
          },
        ];
    }
  });
}

function timeLeft({ etaSeconds }: Overview["workers"][number]["progress"]): string {
  return etaSeconds === undefined ? "" : `, ${formatDuration(etaSeconds * 1_000)} left`;
}

function findingNotices({ workers }: Overview): readonly Notice[] {
  return workers.flatMap(({ worker, findings, logs }) =>
    findings.map(({ issue, recommendation }): Notice => {
      const where = workers.length === 1 ? "" : `Worker ${worker}: `;
      return {
        tone: logs.some(({ state }) => state === "poisoned") ? "bad" : "warning",
        title: where === "" ? capitalised(issue) : where + issue,
        advice: `${capitalised(recommendation)}.`,
      };
    }),
  );
}

function uploadNotices({ workers }: Overview): readonly Notice[] {
  const reasons = new Set(workers.flatMap(({ store }) => store?.uploads?.lastError ?? []));
  return [...reasons].map((reason) => ({
    tone: "warning",
    title: `Uploads to object storage fail: ${reason}`,
    advice:
      "Nothing is lost: files wait on the local disk and are sent when the bucket takes them. Writes are refused when more waits than storage.max_pending_upload_bytes.",
  }));
}

function forwarderNotices({ forwarder }: Overview): readonly Notice[] {
  if (forwarder?.kind !== "answered") return [];
  const { status } = forwarder;
  const upstream = judgeUpstream(status);
  const notices: Notice[] = [];
  if (upstream.tone === "bad") {
    notices.push({
      tone: "warning",
      title: `The forwarder’s upstream ${upstream.text}`,
      advice:
        "Items stay on the agent’s disk and are sent again; writes are taken until it is full.",
    });
  }
  if (status.deadLetters > 0) {
    notices.push({
      tone: "warning",
      title: `The upstream refused ${plural(status.deadLetters, "request")} of the forwarder`,
      advice:
        "They are kept: walnut forward dead-letters shows why, and sends them again when the reason is gone.",
    });
  }
  return notices;
}

function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
