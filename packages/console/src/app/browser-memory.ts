/**
 * What the browser keeps for the console: the token and the queries for as long as the tab is open, the theme for
 * longer. Where storage is forbidden the console works, and forgets.
 */

/** Colours: those of the system, or one of two. */
export type Theme = "auto" | "light" | "dark";

const TOKEN_KEY = "walnut.token";
const QUERIES_KEY = "walnut.queries";
const THEME_KEY = "walnut.theme";

/** The token of this tab. */
export function recallToken(): string | undefined {
  return read("sessionStorage", TOKEN_KEY);
}

/** Keeps the token until the tab is closed; `undefined` forgets it. */
export function keepToken(token: string | undefined): void {
  write("sessionStorage", TOKEN_KEY, token);
}

/** The queries of this tab, the newest first. */
export function recallQueries(): readonly string[] {
  const text = read("sessionStorage", QUERIES_KEY);
  if (text === undefined) return [];
  const value: unknown = JSON.parse(text);
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** Keeps the queries until the tab is closed: they may name what is nobody else’s business. */
export function keepQueries(queries: readonly string[]): void {
  write("sessionStorage", QUERIES_KEY, JSON.stringify(queries));
}

/** The chosen colours. */
export function recallTheme(): Theme {
  const text = read("localStorage", THEME_KEY);
  return text === "light" || text === "dark" ? text : "auto";
}

/** Keeps the chosen colours for the next visit. */
export function keepTheme(theme: Theme): void {
  write("localStorage", THEME_KEY, theme === "auto" ? undefined : theme);
}

function read(storage: "localStorage" | "sessionStorage", key: string): string | undefined {
  try {
    return globalThis[storage].getItem(key) ?? undefined;
  } catch {
    return undefined; // Forbidden by the browser's settings.
  }
}

function write(
  storage: "localStorage" | "sessionStorage",
  key: string,
  value: string | undefined,
): void {
  try {
    if (value === undefined) globalThis[storage].removeItem(key);
    else globalThis[storage].setItem(key, value);
  } catch {
    // Forbidden or full: kept for this page only.
  }
}
