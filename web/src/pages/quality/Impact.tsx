/** Who and what rests on records that wait in quarantine, and on values that are missing. */

import type { QualityImpact, StreamImpact } from "../../api/quality";
import * as number from "../../format/number";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { Empty } from "../../ui/Tile";

export function Impact({ impact }: { impact: QualityImpact }) {
  if (impact.streams.length === 0) {
    return (
      <Empty icon="good" title="Nothing rests on bad data">
        No record waits in quarantine, and no field that something is made of lacks values.
      </Empty>
    );
  }
  return (
    <div className="impact">
      <p className="figure">
        <strong className="num">{number.shortCount(impact.customers)}</strong>
        <span className="figure-unit">
          of {number.plural(impact.known, "customer")} have records that wait; {number.count(impact.scored)} of them
          have a score
        </span>
      </p>
      <Names label="Metrics" names={impact.metrics} />
      <Names label="Parts of scores" names={impact.components} />
      <Names label="Attributes" names={impact.attributes} />
      <ul className="reason-list">
        {impact.streams.map((stream) => (
          <Stream key={`${stream.source}.${stream.stream}`} stream={stream} />
        ))}
      </ul>
    </div>
  );
}

function Stream({ stream }: { stream: StreamImpact }) {
  const { quarantined, customers, unattributed } = stream;
  return (
    <li>
      <div className="reason-head">
        <Link to={paths.data(stream.source)} className="mono">
          {stream.source}.{stream.stream}
        </Link>
        {quarantined > 0 && <strong className="num">{number.count(quarantined)} wait</strong>}
      </div>
      {quarantined > 0 && (
        <p className="reason-where">
          of {number.plural(customers, "customer")}
          {unattributed > 0 && <> · {number.count(unattributed)} of nobody that is known</>}
        </p>
      )}
      {stream.fields.map((field) => (
        <p key={field.field} className="reason-where">
          {field.field} is missing in {number.count(field.missing)} of {number.count(field.checked)}
        </p>
      ))}
    </li>
  );
}

function Names({ label, names }: { label: string; names: readonly string[] }) {
  if (names.length === 0) return null;
  return (
    <div className="impact-names">
      <span className="muted">{label}</span>
      {names.map((name) => (
        <span key={name} className="tag">
          {name}
        </span>
      ))}
    </div>
  );
}
