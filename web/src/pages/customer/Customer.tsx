/** One customer: the score, what it is made of, how it came about, and what it was at another time. */

import { useEffect } from "react";
import { query } from "../../api/client";
import type { CustomerFacts, CustomerHealth } from "../../api/types";
import { useResource } from "../../data/resource";
import { shown } from "../../format/text";
import * as time from "../../format/time";
import { useLive } from "../../live/browser";
import { scoresSource } from "../../live/context";
import { navigate, paths, useSearch } from "../../router";
import { Icon } from "../../ui/Icon";
import { Link } from "../../ui/Link";
import { Page } from "../../ui/Page";
import { Failure, resourceVintage, Skeleton } from "../../ui/Tile";
import { Contributions } from "./Contributions";
import { Explanation } from "./Explanation";
import { History } from "./History";
import { ScoreTile } from "./ScoreTile";
import { Timeline } from "./Timeline";
import { readMoment, TimeTravel, writeMoment } from "./TimeTravel";
import { Usage } from "./Usage";

/** The live connection says when to fetch; these are for when it misses something, or is not there. */
const EVERY_LIVE = 5;
const EVERY_ALONE = 2;

export function Customer({ id }: { id: string }) {
  const moment = readMoment(useSearch());
  const past = moment.asOf !== null || moment.knownAt !== null;
  const live = useLive(past ? null : `/health-scores${query({ customer_id: id })}`, scoresSource);
  const connected = live.connection.status === "live";
  const asked = query({ as_of: moment.asOf, known_at: moment.knownAt });
  const health = useResource<CustomerHealth>(
    `/analytics/customer-health/${encodeURIComponent(id)}${asked}`,
    past ? {} : { every: connected ? EVERY_LIVE : EVERY_ALONE },
  );

  const revision = `${live.state?.snapshots ?? 0}:${live.state?.revisions.get(id) ?? 0}`;
  const { refresh } = health;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new revision is the reason to fetch
  useEffect(() => refresh(), [revision, refresh]);

  const { data } = health;
  const name = shown(data?.customer.name ?? data?.customer.id ?? id);
  const vintage = resourceVintage(health);
  return (
    <Page
      title={name}
      above={
        <Link to={paths.customers} className="back">
          <Icon name="left" size={13} /> Customers
        </Link>
      }
      subtitle={data && <Facts facts={data.customer} />}
      controls={
        <TimeTravel
          moment={moment}
          onChange={(next) => navigate(paths.customer(id) + writeMoment(next), { replace: true })}
        />
      }
    >
      {past && data && (
        <p className="banner" data-tone="accent" role="status">
          <Icon name="clock" />
          <span>
            What held at <strong>{time.instant(data.as_of)}</strong> UTC, as it was known at{" "}
            <strong>{time.instant(data.known_at)}</strong> UTC. It does not move.
          </span>
          <button type="button" className="button" onClick={() => navigate(paths.customer(id), { replace: true })}>
            Back to now
          </button>
        </p>
      )}
      {data === null ? (
        health.error ? (
          <Failure error={health.error} retry={refresh} />
        ) : (
          <Skeleton lines={12} />
        )
      ) : (
        <div className="grid" aria-busy={health.loading}>
          <div className="column narrow">
            <ScoreTile health={data} vintage={vintage} warning={health.error} />
            <Explanation health={data} vintage={vintage} />
          </div>
          <Contributions health={data} vintage={vintage} />
          <History health={data} vintage={vintage} />
          <Usage customer={data.customer.id} revision={revision} past={past} />
          <Timeline entries={data.timeline} vintage={vintage} />
        </div>
      )}
    </Page>
  );
}

function Facts({ facts }: { facts: CustomerFacts }) {
  const entries: [string, string | null][] = [
    ["Segment", facts.segment],
    ["Plan", facts.plan],
    ["Region", facts.region],
    ["Since", facts.started_at && time.day(facts.started_at)],
  ];
  return (
    <dl className="facts">
      {facts.name !== null && (
        <div>
          <dt className="sr-only">Id</dt>
          <dd className="mono">{shown(facts.id)}</dd>
        </div>
      )}
      {entries.map(
        ([label, value]) =>
          value && (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
      {facts.churned_at && (
        <div>
          <dt className="sr-only">Churned</dt>
          <dd className="badge" data-tone="bad">
            <Icon name="flag" size={13} /> Churned {time.day(facts.churned_at)}
          </dd>
        </div>
      )}
    </dl>
  );
}
