/** Where the data comes from, and whether every record of it is accounted for. */

import { useEffect } from "react";
import { query } from "../../api/client";
import type { QualityMetrics } from "../../api/quality";
import type { SourceStatus, SourceSummary } from "../../api/types";
import { runningAge } from "../../data/age";
import { useStreamNow } from "../../data/clock";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { liveVintage, useMetrics } from "../../live/context";
import { paths } from "../../router";
import { Icon } from "../../ui/Icon";
import { Link } from "../../ui/Link";
import { GradeMark, Vintage } from "../../ui/Marks";
import { Page } from "../../ui/Page";
import { Empty, Failure, resourceVintage, Skeleton } from "../../ui/Tile";
import "../../styles/data.css";
import { Days } from "./Days";
import { DriftTile } from "./Drift";
import { Equation } from "./Equation";
import { QuarantineTile } from "./Quarantine";
import { Streams } from "./Streams";

const EVERY_LIVE = 30;
const EVERY_ALONE = 5;

export function Data({ source }: { source: string | null }) {
  const metrics = useMetrics();
  const live = metrics.connection.status === "live";
  const list = useResource<SourceSummary[]>("/data/sources", { every: live ? EVERY_LIVE : EVERY_ALONE });
  const sources = (live ? metrics.state?.sources : null) ?? list.data;
  const chosen = source ?? sources?.[0]?.source ?? null;
  const known = sources?.some((entry) => entry.source === chosen) ?? true;

  if (sources === null) {
    return (
      <Page title="Data">
        {list.error ? <Failure error={list.error} retry={list.refresh} /> : <Skeleton lines={10} />}
      </Page>
    );
  }
  return (
    <Page
      title="Data"
      subtitle="Every received record is in exactly one state. Each term is counted by itself; nothing is found by subtraction."
      controls={<Vintage {...(live ? liveVintage(metrics) : resourceVintage(list))} />}
    >
      {chosen === null ? (
        <Empty icon="data" title="No source yet">
          A source appears with the first record sent in its name.
        </Empty>
      ) : (
        <>
          <Sources sources={sources} chosen={chosen} />
          {known ? (
            <Source
              key={chosen}
              summary={sources.find((entry) => entry.source === chosen)}
              source={chosen}
              live={live}
            />
          ) : (
            <Empty icon="search" title={`No source is called ${chosen}`} />
          )}
        </>
      )}
    </Page>
  );
}

function Sources({ sources, chosen }: { sources: readonly SourceSummary[]; chosen: string }) {
  const now = useStreamNow();
  return (
    <nav className="sources" aria-label="Sources">
      {sources.map((entry) => {
        const age = runningAge(entry.newest_at, entry.freshness_seconds, now);
        return (
          <Link
            key={entry.source}
            to={paths.data(entry.source)}
            aria-current={entry.source === chosen ? "page" : undefined}
          >
            <span className="source-name">
              <span className="source-tick" data-tone={entry.balanced ? "good" : "bad"}>
                <Icon
                  name={entry.balanced ? "check" : "cross"}
                  size={14}
                  label={entry.balanced ? "adds up" : "does not add up"}
                />
              </span>
              {entry.label}
            </span>
            <span className="source-figures num">
              {number.shortCount(entry.received)} received
              <span className="muted"> · {age === null ? "no data" : `${time.duration(age)} old`}</span>
            </span>
            <GradeMark grade={entry.grade} />
          </Link>
        );
      })}
    </nav>
  );
}

function Source({ source, summary, live }: { source: string; summary: SourceSummary | undefined; live: boolean }) {
  const every = live ? EVERY_LIVE : EVERY_ALONE;
  const status = useResource<SourceStatus>(`/data/status/${encodeURIComponent(source)}`, { every });
  const quality = useResource<QualityMetrics>(`/data/quality/metrics${query({ source })}`, { every: EVERY_LIVE });

  // The pushed summary moved: the ledger has, too.
  const moved =
    summary &&
    [summary.received, summary.accepted, summary.pending, summary.quarantined, summary.held, summary.balanced].join();
  const { refresh } = status;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a moved summary is the reason to fetch
  useEffect(() => refresh(), [moved, refresh]);

  if (status.data === null) {
    return status.error ? <Failure error={status.error} retry={refresh} /> : <Skeleton lines={12} />;
  }
  const vintage = resourceVintage(status);
  return (
    <div className="grid">
      <Equation status={status.data} vintage={vintage} warning={status.error} />
      <Streams status={status.data} quality={quality.data} vintage={vintage} warning={status.error} />
      <Days days={status.data.days} vintage={vintage} warning={status.error} />
      <QuarantineTile
        source={source}
        refusals={status.data.refusals}
        quarantined={status.data.quarantined}
        held={status.data.held}
      />
      <DriftTile source={source} />
    </div>
  );
}
