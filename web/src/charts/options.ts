/** What the chart library is told. */

import type { EChartsType } from "echarts/core";
import type { TimeChartProps } from "./TimeChart";

/** Reads a custom property of the style sheet. */
export type Palette = (name: string) => string;

/** Pixels kept free on the right for the names of zones. */
const ZONE_NAMES = 62;

type Option = Parameters<EChartsType["setOption"]>[0];

export function chartOptions(props: TimeChartProps, colour: Palette, calm: boolean): Option {
  const text = { color: colour("--text-3"), fontFamily: colour("--font"), fontSize: 11 };
  return {
    useUTC: true,
    animation: !calm,
    animationDuration: 250,
    animationDurationUpdate: 250,
    // The names of the zones stand in the margin, where no line can cross them.
    grid: {
      left: 2,
      right: props.zones?.length ? ZONE_NAMES : 10,
      top: 10,
      bottom: 2,
      outerBoundsMode: "same",
      outerBoundsContain: "axisLabel",
    },
    xAxis: {
      // Bars stand in a column each; a line follows true time, because its points are not evenly spaced.
      ...(props.kind === "bar" ? columns(props) : trueTime(props)),
      axisLine: { lineStyle: { color: colour("--line-strong") } },
      axisTick: { show: false },
      axisLabel: {
        ...text,
        hideOverlap: true,
        ...(props.kind === "line" ? { showMinLabel: false, showMaxLabel: false } : {}),
        formatter: (at: string | number) => props.formatAxis(new Date(at).toISOString()),
      },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      min: props.low ?? 0,
      ...(props.high === undefined ? {} : { max: props.high, interval: props.step ?? props.high / 4 }),
      splitNumber: 4,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...text, formatter: props.formatScale ?? props.formatValue },
      splitLine: { lineStyle: { color: colour("--line"), type: [2, 3] } },
    },
    series: [props.kind === "bar" ? bars(props, colour) : line(props, colour)],
  };
}

function columns({ points }: TimeChartProps) {
  return { type: "category" as const, data: points.map(({ at }) => at) };
}

/** Not the library's own time axis: its marks are the 1st, 8th, 15th and 22nd of months, and uneven. */
function trueTime({ points }: TimeChartProps) {
  const first = Date.parse(points[0]?.at ?? "");
  const max = Date.parse(points.at(-1)?.at ?? "");
  const interval = niceStep(max - first);
  return { type: "value" as const, min: roundStart(first, interval), max, interval };
}

const MINUTE = 60_000;
const DAY = 86_400_000;
const STEPS = [1, 5, 15, 60, 180, 360, 720].map((minutes) => minutes * MINUTE);
const DAYS = [1, 2, 7, 14, 28, 56, 91, 182, 364].map((days) => days * DAY);

/** Milliseconds between the marks of a span, at most seven of them. */
export function niceStep(span: number): number {
  const steps = [...STEPS, ...DAYS];
  return steps.find((step) => span / step <= 7) ?? Math.ceil(span / (7 * 364 * DAY)) * 364 * DAY;
}

/** Where marks begin so that they are round: at a midnight (UTC) where they are days apart, else at a multiple of the step. */
export function roundStart(first: number, step: number): number {
  const unit = Math.min(step, DAY);
  return Math.floor(first / unit) * unit;
}

function line(props: TimeChartProps, colour: Palette) {
  return {
    type: "line" as const,
    silent: true,
    data: props.points.map(({ at, value }) => [Date.parse(at), value]),
    showSymbol: false,
    lineStyle: { width: 1.8, color: colour("--accent-line") },
  };
}

function bars(props: TimeChartProps, colour: Palette) {
  return {
    type: "bar" as const,
    silent: true,
    barMaxWidth: 22,
    barCategoryGap: "25%",
    itemStyle: { color: colour("--accent-line"), borderRadius: [2, 2, 0, 0] },
    data: props.points.map(({ value, open }) => ({ value, itemStyle: { opacity: open ? 0.45 : 1 } })),
  };
}
