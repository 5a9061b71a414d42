/** The four figures at the head of the overview. */

import type { Average, BandCount, Counts, Model, Throughput } from "../../api/types";
import { AreaLine } from "../../charts/AreaLine";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { bandLook, bandOfScore } from "../../model/bands";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { BandBadge, Change, Verdict } from "../../ui/Marks";
import { Tile } from "../../ui/Tile";

interface Common {
  vintage: Vintage;
  warning: Error | null;
}

export function AverageHealth({
  average,
  model,
  counts,
  ...common
}: Common & { average: Average; model: Model | null; counts: Counts }) {
  const { score, previous } = average;
  const band = score === null ? null : bandOfScore(score, model?.bands);
  return (
    <Tile title="Average health" className="key" {...common}>
      <div className="figure">
        <strong data-testid="average-score">{number.score(score)}</strong>
        {band && <BandBadge band={band} bands={model?.bands} />}
      </div>
      <p className="figure-note">
        {score === null || previous === null ? (
          "nothing to compare with yet"
        ) : (
          <>
            <Change value={score - previous} /> in 7 days
          </>
        )}
      </p>
      <p className="figure-note">
        {counts.scored === counts.customers
          ? `all ${number.plural(counts.customers, "customer")} scored`
          : `${number.count(counts.scored)} of ${number.plural(counts.customers, "customer")} scored`}
      </p>
    </Tile>
  );
}

export function Attention({
  distribution,
  model,
  ...common
}: Common & { distribution: BandCount[]; model: Model | null }) {
  const low = distribution.filter(({ band }) => ["bad", "warn"].includes(bandLook(band, model?.bands).tone));
  const count = low.reduce((sum, band) => sum + band.count, 0);
  const before =
    low.length > 0 && low.every(({ previous }) => previous !== null)
      ? low.reduce((sum, band) => sum + (band.previous ?? 0), 0)
      : null;
  const all = distribution.reduce((sum, band) => sum + band.count, 0);
  const address = `${paths.customers}?${low.map(({ band }) => `band=${encodeURIComponent(band)}`).join("&")}`;
  const names = low.map(({ band }) => bandLook(band, model?.bands).label.toLowerCase()).join(" or ");
  return (
    <Tile title="Need attention" className="key" {...common}>
      <div className="figure">
        <strong>
          <Link to={address} aria-label={`${number.plural(count, "customer")} ${names}: show them`}>
            {number.count(count)}
          </Link>
        </strong>
        <span className="figure-unit">{all > 0 ? `${number.share(count / all)} of scored` : "none scored"}</span>
      </div>
      <p className="figure-note">
        {before === null ? "nothing to compare with yet" : `${number.countChange(count - before)} in 7 days`}
      </p>
      <p className="figure-note">{names || "no bands"}</p>
    </Tile>
  );
}

export function ThroughputTile({ throughput, ...common }: Common & { throughput: Throughput }) {
  return (
    <Tile title="Throughput" className="key" {...common}>
      <div className="figure">
        <strong data-testid="throughput">{number.rate(throughput.per_second)}</strong>
        <span className="figure-unit">records/s in effect</span>
      </div>
      <AreaLine
        points={throughput.points}
        height={34}
        label={`Records that took effect per second in the last 5 minutes, now ${number.rate(throughput.per_second)}`}
        read={({ at, value }) => `${number.rate(value)}/s at ${time.clock(at)} UTC`}
      />
    </Tile>
  );
}

export function Accounted({ counts, balanced, ...common }: Common & { counts: Counts; balanced: boolean }) {
  return (
    <Tile title="Records" className="key" {...common}>
      <div className="figure">
        <strong title={number.count(counts.received)} data-testid="received">
          {number.shortCount(counts.received)}
        </strong>
        <span className="figure-unit">received</span>
      </div>
      <p className="figure-note">
        <Link to={paths.data()} className="plain">
          <Verdict good={balanced}>{balanced ? "All accounted for" : "Does not add up"}</Verdict>
        </Link>
      </p>
      <p className="figure-note">
        {number.shortCount(counts.pending)} pending · {number.shortCount(counts.quarantined)} quarantined
        {counts.held > 0 && <> · {number.shortCount(counts.held)} held</>}
      </p>
    </Tile>
  );
}
