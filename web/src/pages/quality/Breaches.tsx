/** Days on which a field missed its objective. */

import type { Breach } from "../../api/quality";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { Scroll } from "../../ui/Scroll";
import { Empty, Tile } from "../../ui/Tile";

export function Breaches({ breaches, vintage }: { breaches: readonly Breach[]; vintage: Vintage }) {
  return (
    <Tile title="Objectives missed" className="narrow" vintage={vintage}>
      {breaches.length === 0 ? (
        <Empty icon="good" title="No missed objective">
          A field that falls below its objective shows here within a minute.
        </Empty>
      ) : (
        <Scroll label="Objectives missed" tall>
          <ul className="reason-list">
            {breaches.map((breach) => (
              <li key={`${breach.source}.${breach.stream}.${breach.field}.${breach.day}.${breach.dimension}`}>
                <div className="reason-head">
                  <span className="mono">{breach.field}</span>
                  <strong className="num">{number.share(breach.value)}</strong>
                </div>
                <p className="reason-where">
                  {breach.source}.{breach.stream} · {breach.dimension}, objective {number.share(breach.objective)}
                </p>
                <p className="reason-foot">
                  <span>{time.weekday(breach.day)}</span>
                  <span className="muted">seen {time.instant(breach.seen_at)} UTC</span>
                </p>
              </li>
            ))}
          </ul>
        </Scroll>
      )}
    </Tile>
  );
}
