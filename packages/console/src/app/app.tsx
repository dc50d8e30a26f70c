/** The page as a whole: who is looking, which of the two views, in which colours. */
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { keepTheme, keepToken, recallTheme, recallToken, type Theme } from "./browser-memory.ts";
import { newestSample } from "./history.ts";
import { LiveView } from "./live-view.tsx";
import { LoginView } from "./login-view.tsx";
import { NoticeList } from "./notice-list.tsx";
import { findNotices, unreachableNotice } from "./notices.ts";
import type { Overview } from "../overview.ts";
import { formatDuration } from "./quantity.ts";
import { newestRowsSql } from "./sql-history.ts";
import { SqlView, type QueryWish } from "./sql-view.tsx";
import { useLive, type Live } from "./use-live.ts";

type View = "live" | "sql";

const NEXT_THEME: Readonly<Record<Theme, Theme>> = { auto: "light", light: "dark", dark: "auto" };

/** Everything. */
export function App(): VNode {
  const [token, setToken] = useState(recallToken);
  const [reason, setReason] = useState<string | undefined>(undefined);

  function changeToken(next: string | undefined, why?: string): void {
    keepToken(next);
    setReason(why);
    setToken(next);
  }

  return token === undefined ? (
    <LoginView reason={reason} onToken={(given) => changeToken(given)} />
  ) : (
    <Console token={token} onLeave={(why) => changeToken(undefined, why)} />
  );
}

function Console(props: {
  readonly token: string;
  readonly onLeave: (reason?: string) => void;
}): VNode {
  const { token, onLeave } = props;
  const [theme, setTheme] = useState(recallTheme);
  const [wish, setWish] = useState<QueryWish | undefined>(undefined);
  const view = useView();
  const palette = usePalette(theme);
  const live = useLive(token, onLeave);
  const { history } = live;

  function changeTheme(): void {
    const next = NEXT_THEME[theme];
    keepTheme(next);
    setTheme(next);
  }

  function openTable(database: string, measurement: string): void {
    setWish((before) => ({ sql: newestRowsSql(database, measurement), at: (before?.at ?? 0) + 1 }));
    location.hash = "sql";
  }

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => skipToMain(event)}>
        Skip to content
      </a>
      <Bar live={live} view={view}>
        <button type="button" class="quiet" onClick={changeTheme}>
          Colours: {theme}
        </button>
        <button type="button" class="quiet" onClick={() => onLeave()}>
          Log out
        </button>
      </Bar>
      <main id="main" tabIndex={-1}>
        <NoticeList notices={noticesOf(live)} />
        <div hidden={view !== "live"}>
          <LiveView onOpen={openTable} {...{ history, palette }} />
        </div>
        <div hidden={view !== "sql"}>
          <SqlView
            isShown={view === "sql"}
            onUnauthorized={onLeave}
            {...{ token, wish, palette }}
          />
        </div>
      </main>
      <Foot overview={history.latest} />
    </>
  );
}

function Bar(props: {
  readonly live: Live;
  readonly view: View;
  readonly children: ComponentChildren;
}): VNode {
  const { live, view, children } = props;
  return (
    <header class="bar">
      <h1>Walnut</h1>
      <Status live={live} />
      <nav aria-label="Views">
        <a href="#live" aria-current={view === "live" ? "page" : undefined}>
          Live
        </a>
        <a href="#sql" aria-current={view === "sql" ? "page" : undefined}>
          SQL
        </a>
      </nav>
      <div class="bar-end">{children}</div>
    </header>
  );
}

function Status({ live }: { readonly live: Live }): VNode {
  const { history, connection } = live;
  const overview = history.latest;
  const word = connection.problem === undefined ? (overview?.status ?? "connecting") : "no answer";
  const tone = word === "ready" ? "good" : /no answer|failed|closed/.test(word) ? "bad" : "warning";
  return (
    <p class="status" role="status">
      <span class={`lamp ${tone}`} aria-hidden="true" />
      <span>{word}</span>
    </p>
  );
}

function Foot({ overview }: { readonly overview: Overview | undefined }): VNode {
  if (overview === undefined) return <footer class="foot" />;
  const startedMs = Math.min(...overview.workers.map(({ startedAtMs }) => startedAtMs));
  return (
    <footer class="foot">
      <span>Walnut {overview.version}</span>
      <span>up {formatDuration(overview.nowMs - startedMs)}</span>
      <span>{overview.survives ?? overview.durability}</span>
    </footer>
  );
}

function noticesOf({ history, connection }: Live): ReturnType<typeof findNotices> {
  const { latest } = history;
  const known = latest === undefined ? [] : findNotices(latest, newestSample(history));
  if (connection.problem === undefined) return known;
  return [unreachableNotice(connection.problem, Date.now() - connection.sinceMs), ...known];
}

function useView(): View {
  const read = (): View => (location.hash === "#sql" ? "sql" : "live");
  const [view, setView] = useState<View>(read);
  useEffect(() => {
    const onHash = (): void => setView(read());
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, []);
  return view;
}

/** Applies the theme, and names the colours in use: charts are drawn anew when the name changes. */
function usePalette(theme: Theme): string {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const [isSystemDark, setSystemDark] = useState(dark.matches);
  useEffect(() => {
    const onChange = (): void => setSystemDark(dark.matches);
    dark.addEventListener("change", onChange);
    return () => dark.removeEventListener("change", onChange);
  }, []);
  const name = theme === "auto" ? (isSystemDark ? "dark" : "light") : theme;
  // Before the charts read their colours, so not in an effect.
  document.documentElement.dataset["theme"] = name;
  return name;
}

/** The address keeps the view: a link to #main would change it. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
