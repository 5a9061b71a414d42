/** How much the customer uses the product, by metric and timeframe. */

import { useEffect, useMemo, useState } from "react";
import { query } from "../../api/client";
import type { Granularity, Timeframe, UsageTrend } from "../../api/types";
import { Chart } from "../../charts/Lazy";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { FiguresTable } from "../../ui/FiguresTable";
import { Segmented } from "../../ui/Segmented";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";

const TIMEFRAMES: readonly { value: Timeframe; label: string; title: string }[] = [
  { value: "24h", label: "24 h", title: "the last 24 hours" },
  { value: "7d", label: "7 d", title: "the last 7 days" },
  { value: "30d", label: "30 d", title: "the last 30 days" },
  { value: "90d", label: "90 d", title: "the last 90 days" },
  { value: "12m", label: "12 m", title: "the last 12 months" },
];

const EVERY = 15;

/** Until the server has told which metrics there are: the one that is always there. */
const USUAL = [{ metric: "events", label: "Events", unit: "events" }];

interface UsageProps {
  customer: string;
  /** Changes when something of the customer took effect. */
  revision: string;
  /** The page speaks of another time; usage does not. */
  past: boolean;
}

export function Usage({ customer, revision, past }: UsageProps) {
  const [timeframe, setTimeframe] = useState<Timeframe>("30d");
  const [metric, setMetric] = useState("events");
  const trend = useResource<UsageTrend>(
    `/analytics/usage-trends/${timeframe}${query({ metric, customer_id: customer })}`,
    { every: EVERY },
  );
  const { refresh } = trend;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new revision is the reason to fetch
  useEffect(() => refresh(), [revision, refresh]);

  return (
    <Tile title="Usage" className="half" vintage={resourceVintage(trend)} warning={trend.data ? trend.error : null}>
      <div className="tile-controls">
        <label className="select">
          <span className="sr-only">Metric</span>
          <select value={metric} onChange={(event) => setMetric(event.target.value)}>
            {(trend.data?.available ?? USUAL).map((option) => (
              <option key={option.metric} value={option.metric}>
                {option.label}
              </option>
            ))}
          </select>
        </label>
        <Segmented label="Timeframe" options={TIMEFRAMES} value={timeframe} onChange={setTimeframe} />
      </div>
      {past && <p className="muted small">Always up to now, whatever instant is chosen above.</p>}
      <div aria-busy={trend.loading} className="busy-dim">
        <Loaded resource={trend} lines={6}>
          {(data) => <TrendChart trend={data} />}
        </Loaded>
      </div>
    </Tile>
  );
}

function TrendChart({ trend }: { trend: UsageTrend }) {
  const { points, granularity, unit, total, previous_total } = trend;
  const bars = useMemo(() => points.map(({ at, value, closed }) => ({ at, value, open: !closed })), [points]);
  const format = BUCKETS[granularity];
  if (trend.filling !== null) {
    return <Empty icon="flat" title={`Still being added up: ${Math.floor(trend.filling * 100)}\u2009%`} />;
  }
  if (points.every(({ value }) => value === 0)) {
    return <Empty icon="flat" title={`No ${unit || "usage"} in this timeframe`} />;
  }
  return (
    <>
      <p className="trend-total">
        <strong className="num">{number.measure(total)}</strong> {unit}
        {previous_total !== null && (
          <span className="muted"> · {comparison(total, previous_total)} the timeframe before</span>
        )}
      </p>
      <Chart
        kind="bar"
        points={bars}
        label={`${trend.label} by ${granularity}, ${number.measure(total)} ${unit} in all`}
        formatValue={number.measure}
        formatScale={number.shortCount}
        formatAxis={format.axis}
        formatTime={format.full}
      />
      <FiguresTable
        caption={`${trend.label} by ${granularity}`}
        heads={["From (UTC)", trend.label]}
        rows={points.toReversed().map(({ at, value, closed }) => ({
          key: at,
          cells: [format.full(at), `${number.measure(value)}${closed ? "" : " so far"}`],
        }))}
      />
    </>
  );
}

const BUCKETS: Record<Granularity, { axis: (at: string) => string; full: (at: string) => string }> = {
  hour: { axis: time.mark, full: (at) => `${time.instant(at)} UTC` },
  day: { axis: time.shortDay, full: time.weekday },
  week: { axis: time.shortDay, full: (at) => `week from ${time.day(at)}` },
  month: { axis: time.month, full: time.month },
};

function comparison(total: number, before: number): string {
  if (before === 0) return total === 0 ? "as in" : "none in";
  const part = (total - before) / before;
  if (Math.abs(part) < 0.005) return "as in";
  const percent = number.count(Math.abs(part) * 100);
  return `${percent}\u2009% ${part > 0 ? "more" : "less"} than`;
}
