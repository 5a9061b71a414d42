/** The dimensions side by side. What is not measured says why, and nothing is made up for it. */

import type { QualityMetrics } from "../../api/quality";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import { DIMENSIONS, points, scoreNote } from "../../model/quality";
import { Icon } from "../../ui/Icon";
import { Change } from "../../ui/Marks";
import { Tile } from "../../ui/Tile";
import { QualityBadge } from "./QualityBadge";

interface ScoresProps {
  quality: QualityMetrics;
  vintage: Vintage;
  warning: Error | null;
}

export function Scores({ quality, vintage, warning }: ScoresProps) {
  const { overall } = quality;
  return (
    <Tile
      title="Whole records"
      className="full"
      controls={<QualityBadge grade={overall.grade} />}
      vintage={vintage}
      warning={warning}
    >
      <ul className="quality-scores">
        {DIMENSIONS.map(({ name, label, help }) => {
          const score = overall.scores[name];
          return (
            <li key={name} title={help} data-breached={score?.breached === true || undefined}>
              <span className="quality-name">{label}</span>
              {score === undefined || score.of === 0 ? (
                <>
                  <strong className="muted">{number.NOTHING}</strong>
                  <NotMeasured why={overall.unmeasured[name]} />
                </>
              ) : (
                <>
                  <span className="quality-value">
                    <strong className="num" title={`${number.count(score.good)} of ${number.count(score.of)}`}>
                      {number.share(score.value)}
                    </strong>
                    <span title="the last seven received days against the seven before, in points of a hundred">
                      <Change value={points(score.change)} />
                    </span>
                  </span>
                  <span className="quality-note">
                    {score.breached && <Icon name="bad" size={12} />}
                    {scoreNote(score)}
                  </span>
                </>
              )}
            </li>
          );
        })}
      </ul>
    </Tile>
  );
}

function NotMeasured({ why }: { why: string | undefined }) {
  if (why === undefined) return <span className="quality-note">nothing to measure</span>;
  return (
    <details className="quality-why">
      <summary>not measured</summary>
      <p>{why}</p>
    </details>
  );
}
