/** A line or bars over time, painted by the chart library; its readings and zones are elements of ours. */

import type { EChartsType } from "echarts/core";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import { useStore } from "../data/store";
import { scheme } from "../theme";
import { init } from "./echarts";
import { chartOptions } from "./options";

export interface ChartPoint {
  at: string;
  value: number;
  /** Drawn lighter: it can still change. */
  open?: boolean;
}

export interface ChartZone {
  label: string;
  low: number;
  high: number;
  /** The beginning of the names of its custom properties: `--good` for `--good` (text) and `--good-zone`. */
  colour: string;
}

export interface TimeChartProps {
  kind: "line" | "bar";
  points: readonly ChartPoint[];
  label: string;
  low?: number;
  high?: number;
  /** Between the marks of the scale, where it has a `high`; a quarter of that when absent. */
  step?: number;
  zones?: readonly ChartZone[];
  formatValue: (value: number) => string;
  /** Of the marks of the scale; as the values when absent. */
  formatScale?: (value: number) => string;
  formatAxis: (at: string) => string;
  /** First line of a reading. */
  formatTime: (at: string) => string;
}

/** Where things came to lie, in pixels. */
interface Plot {
  width: number;
  places: { x: number; y: number }[];
  zones: { label: string; top: number; height: number; left: number; right: number; colour: string }[];
}

export default function TimeChart(props: TimeChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const colours = useStore(scheme);
  const [plot, setPlot] = useState<Plot | null>(null);
  const [reading, setReading] = useState<number | null>(null);

  useEffect(() => {
    if (place.current === null) return;
    const created = init(place.current, null, { renderer: "canvas" });
    chart.current = created;
    const observer = new ResizeObserver(() => {
      created.resize();
      setPlot(measure(created, latest.current));
    });
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      created.dispose();
      chart.current = null;
    };
  }, []);

  const { kind, points, low, high, zones } = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the colour scheme changes the custom properties that are read
  useEffect(() => {
    if (chart.current === null || place.current === null) return;
    const style = getComputedStyle(place.current);
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const option = chartOptions(latest.current, (name) => style.getPropertyValue(name).trim(), calm);
    chart.current.setOption(option, { notMerge: true });
    setPlot(measure(chart.current, latest.current));
    setReading((index) => (index !== null && index < latest.current.points.length ? index : null));
  }, [kind, points, low, high, zones, colours]);

  const follow = (event: PointerEvent<HTMLDivElement>) => {
    if (plot === null) return;
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    setReading(nearest(plot.places, x));
  };
  const step = (event: KeyboardEvent<HTMLDivElement>) => {
    const next = stepped(event.key, reading, points.length);
    if (next === undefined) return;
    event.preventDefault();
    setReading(next);
  };

  return (
    // biome-ignore lint/a11y/useSemanticElements: a chart is no fieldset
    <div
      className="chart"
      role="group"
      aria-roledescription="chart"
      aria-label={`${props.label}. Arrow keys read its points.`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: its points are read with the arrow keys
      tabIndex={0}
      onPointerMove={follow}
      onPointerLeave={() => setReading(null)}
      onKeyDown={step}
      onBlur={() => setReading(null)}
    >
      {plot?.zones.map((zone) => (
        <span
          key={zone.top}
          className="chart-zone"
          style={{
            top: zone.top,
            height: zone.height,
            left: zone.left,
            right: plot.width - zone.right,
            background: `var(${zone.colour}-zone)`,
            color: `var(${zone.colour})`,
          }}
        >
          <span>{zone.label}</span>
        </span>
      ))}
      <div ref={place} className="chart-canvas" aria-hidden="true" />
      <Reading props={props} plot={plot} index={reading} />
    </div>
  );
}

function Reading({ props, plot, index }: { props: TimeChartProps; plot: Plot | null; index: number | null }) {
  const point = index === null ? undefined : props.points[index];
  const at = index === null ? undefined : plot?.places[index];
  if (plot === null || !point || !at) return <div aria-live="polite" />;
  const side = at.x > plot.width / 2 ? { right: plot.width - at.x + 10 } : { left: at.x + 10 };
  return (
    <div aria-live="polite">
      <span className="chart-reader" style={{ left: at.x }} />
      {props.kind === "line" && <span className="chart-dot" style={{ left: at.x, top: at.y }} />}
      <div className="chart-reading" style={side}>
        <span className="muted">{props.formatTime(point.at)}</span>
        <strong>
          {props.formatValue(point.value)}
          {point.open && " so far"}
        </strong>
      </div>
    </div>
  );
}

function measure(chart: EChartsType, { kind, points, zones }: TimeChartProps): Plot {
  const pixel = (x: string | number, y: number) => {
    const [left = 0, top = 0] = chart.convertToPixel({ seriesIndex: 0 }, [x, y]) ?? [];
    return { x: left, y: top };
  };
  const key = ({ at }: ChartPoint, index: number) => (kind === "bar" ? index : Date.parse(at));
  const places = points.map((point, index) => pixel(key(point, index), point.value));
  const first = points[0];
  if (first === undefined) return { width: chart.getWidth(), places, zones: [] };
  return {
    width: chart.getWidth(),
    places,
    zones: (zones ?? []).map(({ label, low, high, colour }) => {
      const top = pixel(key(first, 0), high).y;
      const left = places[0]?.x ?? 0;
      return { label, colour, left, right: places.at(-1)?.x ?? left, top, height: pixel(key(first, 0), low).y - top };
    }),
  };
}

function nearest(places: readonly { x: number }[], x: number): number | null {
  let best: number | null = null;
  let distance = Number.POSITIVE_INFINITY;
  places.forEach((place, index) => {
    if (Math.abs(place.x - x) >= distance) return;
    distance = Math.abs(place.x - x);
    best = index;
  });
  return best;
}

/** The reading after a key; undefined when the key means nothing here. */
function stepped(key: string, index: number | null, count: number): number | null | undefined {
  const last = count - 1;
  switch (key) {
    case "ArrowRight":
      return Math.min(last, (index ?? -1) + 1);
    case "ArrowLeft":
      return Math.max(0, (index ?? count) - 1);
    case "Home":
      return 0;
    case "End":
      return last;
    case "Escape":
      return null;
    default:
      return undefined;
  }
}
