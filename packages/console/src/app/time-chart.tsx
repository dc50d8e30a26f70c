/**
 * Lines over time: uPlot with our colours, a legend that keeps its width, and a sentence for those who do not see it.
 */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

/** One line. */
export interface ChartLine {
  readonly label: string;
  /** Drawn dashed and grey, where another line may lie under it. */
  readonly isFaint?: boolean;
  readonly values: readonly (number | null)[];
}

/** What a chart shows. */
export interface TimeChartProps {
  /** What the numbers are, for assistive programs. */
  readonly title: string;
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly format: (value: number | undefined) => string;
  /** First and last second of the axis; without it, those of the data. */
  readonly window?: readonly [number, number] | undefined;
  /** From 0 up; wherever the values are; or by powers of ten, for values that differ by far. */
  readonly scale: "zero" | "values" | "powers";
  /** Steps between the marks of the axis; by default those of decimal numbers. */
  readonly steps?: readonly number[] | undefined;
  /** Changes when colours do. */
  readonly palette: string;
  readonly heightPx: number;
  /** Charts with the same name show the same moment under the pointer. */
  readonly group?: string | undefined;
}

const AXIS_WIDTH_PX = 64;

/** A chart. */
export function TimeChart(props: TimeChartProps): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const [pointed, setPointed] = useState<number | undefined>(undefined);
  const labels = props.lines.map(({ label }) => label).join("\0");

  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(latest, element, setPointed), dataOf(props), element);
    chart.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: latest.current.heightPx });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = undefined;
    };
  }, [labels, props.palette, props.heightPx]);

  useEffect(() => {
    chart.current?.setData(dataOf(props));
  }, [props.times, props.lines]);

  return (
    <figure class="chart">
      <div
        ref={frame}
        class="chart-frame"
        style={{ height: `${props.heightPx}px` }}
        role="img"
        aria-label={describe(props)}
      />
      <figcaption>
        <ul class="legend">
          {props.lines.map(({ label, values, isFaint }, index) => (
            <li key={label}>
              <span
                class={`swatch ${isFaint === true ? "faint" : `line-${(index % 8) + 1}`}`}
                aria-hidden="true"
              />
              <span class="legend-label">{label}</span>
              <span class="legend-value">
                {props.format(values[pointed ?? values.length - 1] ?? undefined)}
              </span>
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}

function dataOf({ times, lines }: TimeChartProps): uPlot.AlignedData {
  // uPlot wants arrays of its own to keep.
  return [[...times], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData;
}

function optionsOf(
  latest: { readonly current: TimeChartProps },
  element: HTMLElement,
  onPoint: (index: number | undefined) => void,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const { lines, group, heightPx, scale, steps } = latest.current;
  const axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  return {
    width: Math.max(1, element.clientWidth),
    height: heightPx,
    legend: { show: false },
    padding: [8, 24, 0, 0],
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 6 },
      ...(group === undefined ? {} : { sync: { key: group } }),
    },
    scales: {
      x: { time: true, range: (_, min, max) => timeRange(latest.current, min, max) },
      y: {
        distr: scale === "powers" ? 3 : 1,
        range: (_, min, max) => valueRange(latest.current.scale, min, max),
      },
    },
    axes: [
      { ...axis, space: 70, size: 28, values: formatTimes },
      {
        ...axis,
        size: AXIS_WIDTH_PX,
        space: 32,
        grid: { ...axis.grid, ...(scale === "powers" ? { filter: onlyPowers } : {}) },
        ...(steps === undefined ? {} : { incrs: [...steps] }),
        values: (_, splits) =>
          splits.map((value) => (value === null ? null : latest.current.format(value))),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, isFaint }, index) => ({
        label,
        stroke: colour(isFaint === true ? "--muted" : `--line-${(index % 8) + 1}`),
        width: isFaint === true ? 1 : 1.5,
        ...(isFaint === true ? { dash: [3, 3] } : {}),
        points: { show: false },
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
  };
}

function timeRange(
  { window }: TimeChartProps,
  min: number | null,
  max: number | null,
): [number, number] {
  return window === undefined ? [min ?? 0, max ?? 1] : [window[0], window[1]];
}

/** Room above the highest value; an empty chart has an axis all the same. */
function valueRange(
  scale: TimeChartProps["scale"],
  min: number | null,
  max: number | null,
): [number, number] {
  const top = max ?? 1;
  if (scale === "zero") return [0, top <= 0 ? 10 : top * 1.1];
  const bottom = min ?? 0;
  if (scale === "powers") return [powerBelow(bottom), 10 * powerBelow(Math.max(top, bottom))];
  const room = (top - bottom) * 0.05 || 1;
  return [bottom - room, top + room];
}

/** Lines at powers of ten, none between them. */
function onlyPowers(_: uPlot, splits: number[]): (number | null)[] {
  return splits.map((value) => (Number.isInteger(Math.log10(value)) ? value : null));
}

/** The power of ten that is not above a value. */
function powerBelow(value: number): number {
  return value > 0 ? 10 ** Math.floor(Math.log10(value)) : 0.1;
}

/** Hours and minutes, as wide as they need to be. */
function formatTimes(
  plot: uPlot,
  splits: number[],
  _axis: number,
  _space: number,
  step: number,
): string[] {
  const spanSeconds = (plot.scales["x"]?.max ?? 0) - (plot.scales["x"]?.min ?? 0);
  return splits.map((seconds) => {
    const date = new Date(seconds * 1_000);
    const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) =>
      String(part).padStart(2, "0"),
    );
    if (spanSeconds > 2 * 86_400)
      return `${date.getMonth() + 1}/${date.getDate()} ${clock[0]}:${clock[1]}`;
    return step < 60 ? clock.join(":") : clock.slice(0, 2).join(":");
  });
}

function describe({ title, times, lines, format }: TimeChartProps): string {
  if (times.length === 0) return `${title}: no values yet`;
  const parts = lines.map(({ label, values }) => {
    const known = values.filter((value) => value !== null);
    if (known.length === 0) return `${label}: no values`;
    const highest = known.reduce((a, b) => Math.max(a, b));
    return `${label}: ${format(values.at(-1) ?? undefined)} now, at most ${format(highest)}`;
  });
  return `${title}. ${parts.join("; ")}`;
}
