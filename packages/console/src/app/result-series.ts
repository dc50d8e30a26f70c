/**
 * The lines that a query's answer makes, when it has a time and a number. Pure.
 *
 * A column of text with few values divides the rows into lines: `time, host, usage` is a line for each host. Without
 * one each column of numbers is a line.
 */
import { textOf, type Cell } from "./csv.ts";

/** An answer as the server gives it. */
export interface QueryAnswer {
  readonly columns: readonly string[];
  readonly types: readonly string[];
  readonly data: readonly (readonly Cell[])[];
  readonly row_count: number;
  readonly execution_time_ms: number;
}

/** One line: a value or nothing at each of the times. */
export interface ResultLine {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

/** Lines over one time axis. */
export interface ResultSeries {
  /** Seconds since 1970, ascending, each once. */
  readonly times: readonly number[];
  readonly lines: readonly ResultLine[];
}

/** More lines than this are not told apart by eye. */
export const MAX_LINES = 8;

interface Point {
  readonly time: number;
  readonly label: string;
  readonly value: number | null;
}

/** Lines, or `undefined` when there is nothing to draw. */
export function seriesOf(answer: QueryAnswer): ResultSeries | undefined {
  const { columns, types, data } = answer;
  const timeIndex = types.findIndex((type) => /^(TIMESTAMP|DATE)/.test(type));
  const numbers = columns.flatMap((name, index) =>
    /^(U?(TINY|SMALL|BIG|HUGE)?INT|INTEGER|UINTEGER|DOUBLE|FLOAT|DECIMAL)/.test(types[index] ?? "")
      ? [{ name, index }]
      : [],
  );
  const [firstNumber] = numbers;
  if (timeIndex === -1 || firstNumber === undefined) return undefined;
  const textIndex = types.findIndex((type) => /^(VARCHAR|ENUM)/.test(type));
  const groups = new Set(textIndex === -1 ? [] : data.map((row) => row[textIndex]));
  const isGrouped = groups.size > 0 && groups.size <= MAX_LINES;
  const points = data.flatMap((row): readonly Point[] => {
    const time = Date.parse(textOf(row[timeIndex] ?? null)) / 1_000;
    if (!Number.isFinite(time)) return [];
    const shown = isGrouped ? [firstNumber] : numbers.slice(0, MAX_LINES);
    return shown.map(({ name, index }) => {
      const group = textOf(row[textIndex] ?? "NULL");
      return { time, label: isGrouped ? group : name, value: numberOf(row[index]) };
    });
  });
  return align(points);
}

function align(points: readonly Point[]): ResultSeries | undefined {
  const times = [...new Set(points.map(({ time }) => time))].sort((a, b) => a - b);
  if (times.length < 2) return undefined;
  const places = new Map(times.map((time, index) => [time, index]));
  const lines = new Map<string, (number | null)[]>();
  for (const { time, label, value } of points) {
    let values = lines.get(label);
    if (values === undefined) {
      values = times.map(() => null);
      lines.set(label, values);
    }
    values[places.get(time) ?? 0] = value;
  }
  return { times, lines: [...lines].map(([label, values]) => ({ label, values })) };
}

/** Large integers and decimals come as text. */
function numberOf(cell: Cell | undefined): number | null {
  if (cell === null || cell === undefined || cell === "") return null;
  const value = Number(cell);
  return Number.isFinite(value) ? value : null;
}
