/** Every stream in a line: its quality on these days, and whether it is fresh. */

import type { StreamQuality } from "../../api/quality";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { Verdict } from "../../ui/Marks";
import { Scroll } from "../../ui/Scroll";
import { Empty, Tile } from "../../ui/Tile";
import { QualityBadge } from "./QualityBadge";

export function Sources({ streams, vintage }: { streams: readonly StreamQuality[]; vintage: Vintage }) {
  return (
    <Tile title="Sources" className="wide" vintage={vintage}>
      {streams.length === 0 ? (
        <Empty title="Nothing received yet" />
      ) : (
        <Scroll label="Sources" tall>
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col">Source</th>
                <th scope="col">Stream</th>
                <th scope="col">Quality</th>
                <th scope="col" className="num">
                  Complete
                </th>
                <th scope="col" className="num">
                  Valid
                </th>
                <th scope="col" className="num">
                  In time
                </th>
                <th scope="col">Fresh</th>
              </tr>
            </thead>
            <tbody>
              {streams.map((stream) => (
                <Row key={`${stream.source}.${stream.stream}`} stream={stream} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Tile>
  );
}

function Row({ stream }: { stream: StreamQuality }) {
  const { met, seconds, objective_seconds } = stream.freshness;
  const late = stream.unmeasured.timeliness;
  const fresh = `${time.duration(seconds)} old, objective ${time.duration(objective_seconds)}`;
  return (
    <tr>
      <th scope="row">
        <Link to={paths.data(stream.source)}>{stream.source}</Link>
      </th>
      <td>{stream.stream}</td>
      <td>
        <QualityBadge grade={stream.grade} />
      </td>
      <td className="num">{number.share(stream.scores.completeness?.value)}</td>
      <td className="num">{number.share(stream.scores.validity?.value)}</td>
      <td className="num" title={late}>
        {number.share(stream.scores.timeliness?.value)}
      </td>
      <td title={met === null ? undefined : fresh}>
        {met === null ? <span className="muted">no data</span> : <Verdict good={met}>{met ? "yes" : "stale"}</Verdict>}
      </td>
    </tr>
  );
}
