/** The first page: how the customers are, what moves, and whether the data behind it can be trusted. */

import type { LiveMetrics, Model, Overview as OverviewData, ScoreSummary } from "../../api/types";
import type { Vintage } from "../../data/age";
import { useResource } from "../../data/resource";
import { useLive } from "../../live/browser";
import type { LiveState } from "../../live/channel";
import { liveVintage, scoresSource, useMetrics } from "../../live/context";
import type { ScoresState } from "../../live/scores";
import { Page } from "../../ui/Page";
import { Empty, Failure, resourceVintage, Skeleton } from "../../ui/Tile";
import { Distribution } from "./Distribution";
import { Freshness } from "./Freshness";
import { Accounted, Attention, AverageHealth, ThroughputTile } from "./KeyFigures";
import { MoversTile } from "./Movers";

/** With the live connections up, the whole is still fetched now and then; without, this is what moves the page. */
const EVERY_LIVE = 60;
const EVERY_ALONE = 5;

export function Overview() {
  const metrics = useMetrics();
  const scores = useLive("/health-scores?scope=summary", scoresSource);
  const live = metrics.connection.status === "live" && scores.connection.status === "live";
  const base = useResource<OverviewData>("/analytics/overview", { every: live ? EVERY_LIVE : EVERY_ALONE });

  const summary = newerSummary(base.data, resourceVintage(base), scores);
  const flow = newerFlow(base.data, resourceVintage(base), metrics);

  if (summary === null || flow === null) {
    return (
      <Page title="Overview">
        {base.error ? <Failure error={base.error} retry={base.refresh} /> : <Skeleton lines={10} />}
      </Page>
    );
  }
  const { data, model, vintage } = summary;
  const warning = live ? null : base.error;

  if (flow.counts.customers === 0 && flow.counts.received === 0) {
    return (
      <Page title="Overview">
        <Empty icon="box" title="No data yet">
          Send a first record to <code>POST /api/v1/data/ingest/&lt;source&gt;</code>, or load a file with{" "}
          <code>mainstem load</code>. It appears here within seconds.
        </Empty>
      </Page>
    );
  }
  return (
    <Page
      title="Overview"
      subtitle={
        model
          ? `${model.label}, version ${model.version}`
          : "No health model is active: customers are listed, not scored."
      }
    >
      <div className="grid">
        <AverageHealth average={data.average} model={model} counts={flow.counts} vintage={vintage} warning={warning} />
        <Attention distribution={data.distribution} model={model} vintage={vintage} warning={warning} />
        <ThroughputTile throughput={flow.throughput} vintage={flow.vintage} warning={warning} />
        <Accounted counts={flow.counts} balanced={flow.balanced} vintage={flow.vintage} warning={warning} />
        <Distribution summary={data} model={model} vintage={vintage} warning={warning} />
        <Freshness streams={flow.freshness} vintage={flow.vintage} warning={warning} />
        <MoversTile direction="down" movers={data.movers} model={model} vintage={vintage} warning={warning} />
        <MoversTile direction="up" movers={data.movers} model={model} vintage={vintage} warning={warning} />
      </div>
    </Page>
  );
}

interface Summary {
  data: ScoreSummary;
  model: Model | null;
  vintage: Vintage;
}

/** The live summary when there is one and nothing newer was fetched. */
function newerSummary(base: OverviewData | null, fetched: Vintage, live: LiveState<ScoresState>): Summary | null {
  const { state } = live;
  const { average, distribution, histogram, movers } = state ?? {};
  if (average && distribution && histogram && movers && !isNewer(fetched, liveVintage(live))) {
    const model = state?.model === undefined ? (base?.model ?? null) : state.model;
    return { data: { average, distribution, histogram, movers }, model, vintage: liveVintage(live) };
  }
  return base && { data: base, model: base.model, vintage: fetched };
}

type Flow = Pick<OverviewData, "counts" | "balanced" | "throughput" | "freshness"> & { vintage: Vintage };

function newerFlow(base: OverviewData | null, fetched: Vintage, live: LiveState<LiveMetrics>): Flow | null {
  if (live.state && !isNewer(fetched, liveVintage(live))) return { ...live.state, vintage: liveVintage(live) };
  return base && { ...base, vintage: fetched };
}

/** Fetched while the live connection was down: then the fetched answer is what holds. */
function isNewer(fetched: Vintage, live: Vintage): boolean {
  return (fetched.receivedAt ?? Number.NEGATIVE_INFINITY) > (live.receivedAt ?? Number.NEGATIVE_INFINITY);
}
