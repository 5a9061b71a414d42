/** How the scores are spread: a histogram, and the bands in words and numbers. */

import type { Bin, Model, ScoreSummary } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import { bandLook, bandOfScore, bestFirst } from "../../model/bands";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { BandBadge, Meter } from "../../ui/Marks";
import { Empty, Tile } from "../../ui/Tile";

interface DistributionProps {
  summary: ScoreSummary;
  model: Model | null;
  vintage: Vintage;
  warning: Error | null;
}

export function Distribution({ summary: { histogram, distribution }, model, vintage, warning }: DistributionProps) {
  const all = distribution.reduce((sum, band) => sum + band.count, 0);
  return (
    <Tile title="Health distribution" className="wide" vintage={vintage} warning={warning}>
      {all === 0 ? (
        <Empty title="No scores yet">They appear as soon as a health model is active and its inputs arrive.</Empty>
      ) : (
        <>
          <Histogram bins={histogram} model={model} />
          <table className="bands">
            <caption className="sr-only">Customers by band</caption>
            <thead className="sr-only">
              <tr>
                <th scope="col">Band</th>
                <th scope="col">Share, drawn</th>
                <th scope="col">Customers</th>
                <th scope="col">Share</th>
                <th scope="col">Change in 7 days</th>
              </tr>
            </thead>
            <tbody>
              {bestFirst(distribution, model?.bands).map(({ band, count, previous }) => (
                <tr key={band}>
                  <th scope="row">
                    <Link to={`${paths.customers}?band=${encodeURIComponent(band)}`} className="plain">
                      <BandBadge band={band} bands={model?.bands} />
                    </Link>
                  </th>
                  <td className="grow">
                    <Meter value={count / all} tone={bandLook(band, model?.bands).tone} />
                  </td>
                  <td className="num">{number.count(count)}</td>
                  <td className="num muted">{number.share(count / all)}</td>
                  <td className="num muted" title="against 7 days before">
                    {previous === null ? number.NOTHING : number.countChange(count - previous)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </Tile>
  );
}

function Histogram({ bins, model }: { bins: Bin[]; model: Model | null }) {
  const top = Math.max(1, ...bins.map(({ count }) => count));
  const marks = [...new Set([0, ...(model?.bands.map(({ low }) => low) ?? [50]), 100])].sort((a, b) => a - b);
  return (
    <div
      className="histogram"
      role="img"
      aria-label="Customers by score, in steps of five points. The bands follow as a table."
    >
      <div className="histogram-bars">
        {bins.map(({ low, high, count }) => (
          <span
            key={low}
            data-tone={bandLook(bandOfScore((low + high) / 2, model?.bands), model?.bands).tone}
            title={`${low} to ${high}: ${number.plural(count, "customer")}`}
          >
            <i style={{ height: `${count === 0 ? 0 : Math.max(2, (100 * count) / top)}%` }} />
          </span>
        ))}
      </div>
      <div className="histogram-axis">
        {marks.map((mark) => (
          <span key={mark} style={{ left: `${mark}%` }}>
            {mark}
          </span>
        ))}
      </div>
    </div>
  );
}
