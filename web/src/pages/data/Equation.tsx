/** The conservation equation, as figures, as a bar, and as a verdict that was worked out here. */

import type { SourceStatus } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { conservation, segments, TERM_HELP, TERM_LABELS, TERMS } from "../../model/conservation";
import { Icon } from "../../ui/Icon";
import { Tile } from "../../ui/Tile";

interface EquationProps {
  status: SourceStatus;
  vintage: Vintage;
  warning: Error | null;
}

export function Equation({ status, vintage, warning }: EquationProps) {
  const { balanced, difference, sum } = conservation(status);
  return (
    <Tile title={`${status.label}: every record accounted for`} className="full" vintage={vintage} warning={warning}>
      <div className="equation" data-testid="equation" data-balanced={balanced}>
        <div className="term" data-term="received">
          <strong className="num">{number.count(status.received)}</strong>
          <span>received</span>
        </div>
        <span className="sign" role="img" aria-label={balanced ? "equals" : "does not equal"}>
          {balanced ? "=" : "≠"}
        </span>
        {TERMS.map((term, index) => (
          <div
            className="term"
            key={term}
            data-term={term}
            title={TERM_HELP[term]}
            data-zero={status[term] === 0 || undefined}
          >
            {index > 0 && <span className="plus">+</span>}
            <strong className="num">{number.count(status[term])}</strong>
            <span>
              <i className="swatch" data-term={term} /> {TERM_LABELS[term]}
            </span>
          </div>
        ))}
      </div>
      <div className="equation-bar" aria-hidden="true">
        {segments(status).map(({ term, percent }) => (
          <span
            key={term}
            data-term={term}
            style={{ width: `${percent}%` }}
            title={`${TERM_LABELS[term]}: ${number.count(status[term])}, ${number.share(status[term] / Math.max(1, sum))}`}
          />
        ))}
      </div>
      <div className="equation-foot">
        <p className="equation-verdict" data-tone={balanced ? "good" : "bad"} role="status">
          <Icon name={balanced ? "good" : "bad"} size={18} />
          {verdict(balanced, difference)}
        </p>
        <dl className="facts">
          <div title="age of the oldest record that was acknowledged and is not yet in effect">
            <dt>Lag</dt>
            <dd className="num">{time.lag(status.lag)}</dd>
          </div>
          <div>
            <dt>Last received</dt>
            <dd className="num">
              {status.last_received_at ? `${time.instant(status.last_received_at)} UTC` : "never"}
            </dd>
          </div>
          <div title="bodies and records answered with 4xx: never received, so outside the equation">
            <dt>Refused</dt>
            <dd className="num">{number.count(status.refused)}</dd>
          </div>
        </dl>
      </div>
    </Tile>
  );
}

function verdict(balanced: boolean, difference: number): string {
  if (balanced) return "Adds up: no record is lost, none is counted twice.";
  if (difference === 0) return "The figures add up, but the server's check of its ledgers failed.";
  const records = number.plural(Math.abs(difference), "record");
  return difference > 0
    ? `Does not add up: ${records} too many on the right.`
    : `Does not add up: ${records} missing on the right.`;
}
