/** The score, large, and where it stands among the bands. */

import type { Band, CustomerHealth } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { bandLook } from "../../model/bands";
import { explain } from "../../model/explain";
import { BandBadge, Change } from "../../ui/Marks";
import { Tile } from "../../ui/Tile";

interface ScoreTileProps {
  health: CustomerHealth;
  vintage: Vintage;
  warning: Error | null;
}

export function ScoreTile({ health, vintage, warning }: ScoreTileProps) {
  const { score, band, model, computed_at, change } = health;
  return (
    <Tile title="Health score" className="score-tile" vintage={vintage} warning={warning}>
      <div className="score-line">
        <strong className="score-big" data-testid="score">
          {number.score(score)}
        </strong>
        <div>
          <BandBadge band={band} bands={model?.bands} />
          {change !== null && (
            <p className="figure-note">
              <Change value={change} /> in 7 days
            </p>
          )}
        </div>
      </div>
      {score !== null && model && model.bands.length > 0 && <Scale score={score} bands={model.bands} />}
      <p className="headline">{explain(health).headline}</p>
      {vintage.meta && vintage.meta.missing.length > 0 && (
        <ul className="missing">
          {vintage.meta.missing.map((item) => (
            <li key={item}>{item}</li>
          ))}
        </ul>
      )}
      {computed_at && model && (
        <p className="muted small">
          {model.label}, version {model.version} · computed{" "}
          <time dateTime={computed_at}>{time.instant(computed_at)}</time> UTC
        </p>
      )}
    </Tile>
  );
}

function Scale({ score, bands }: { score: number; bands: readonly Band[] }) {
  return (
    <div className="scale" aria-hidden="true">
      <div className="scale-bands">
        {bands.map((band) => (
          <span
            key={band.band}
            data-tone={bandLook(band.band, bands).tone}
            title={`${band.label}: ${band.low} to ${band.high}`}
            style={{ flexGrow: band.high - band.low }}
          />
        ))}
      </div>
      <i style={{ left: `${Math.max(0, Math.min(100, score))}%` }} />
      <div className="scale-marks">
        {[...bands.map(({ low }) => low), 100].map((mark) => (
          <span key={mark} style={{ left: `${mark}%` }}>
            {mark}
          </span>
        ))}
      </div>
    </div>
  );
}
