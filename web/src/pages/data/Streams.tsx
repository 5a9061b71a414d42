/** The streams of a source: how much, how fresh, how good. */

import type { QualityMetrics, Ratio } from "../../api/quality";
import type { SourceStatus, StreamStatus } from "../../api/types";
import { runningAge, type Vintage } from "../../data/age";
import { useStreamNow } from "../../data/clock";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { conservation } from "../../model/conservation";
import { Icon } from "../../ui/Icon";
import { GradeMark } from "../../ui/Marks";
import { Scroll } from "../../ui/Scroll";
import { Empty, Tile } from "../../ui/Tile";

interface StreamsProps {
  status: SourceStatus;
  quality: QualityMetrics | null;
  vintage: Vintage;
  warning: Error | null;
}

export function Streams({ status, quality, vintage, warning }: StreamsProps) {
  const now = useStreamNow();
  return (
    <Tile title="Streams" className="full" vintage={vintage} warning={warning}>
      {status.streams.length === 0 ? (
        <Empty title="No streams yet" />
      ) : (
        <Scroll label="Streams">
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col">Stream</th>
                <th scope="col" className="num">
                  Received
                </th>
                <th scope="col" className="num">
                  In effect
                </th>
                <th scope="col" className="num">
                  Quarantined
                </th>
                <th scope="col" className="num" title="waiting for somebody to say that they are right">
                  Held
                </th>
                <th scope="col" className="num">
                  Lag
                </th>
                <th scope="col" className="num">
                  Newest / promised
                </th>
                <th scope="col" className="num" title="records in which nothing required is missing">
                  Complete
                </th>
                <th scope="col" className="num" title="records that passed every check">
                  Valid
                </th>
                <th scope="col">Grade</th>
                <th scope="col">Adds up</th>
              </tr>
            </thead>
            <tbody>
              {status.streams.map((stream) => (
                <Row
                  key={stream.stream}
                  stream={stream}
                  quality={quality?.streams.find((entry) => entry.stream === stream.stream)}
                  now={now}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Tile>
  );
}

interface RowProps {
  stream: StreamStatus;
  quality: QualityMetrics["streams"][number] | undefined;
  now: number | null;
}

function Row({ stream, quality, now }: RowProps) {
  const { balanced, difference } = conservation(stream);
  const age = runningAge(stream.newest_at, stream.freshness_seconds, now);
  const until = stream.complete_until ? `Complete until ${time.exact(stream.complete_until)}` : undefined;
  return (
    <tr>
      <th scope="row">
        {stream.stream}
        <span className="muted small" title="version of the contract in force">
          {" "}
          v{stream.contract_version}
        </span>
      </th>
      <td className="num">{number.count(stream.received)}</td>
      <td className="num">{number.count(stream.accepted)}</td>
      <td className="num">{number.count(stream.quarantined)}</td>
      <td className="num">{number.count(stream.held)}</td>
      <td className="num">{time.lag(stream.lag)}</td>
      <td className="num" title={until}>
        {age === null ? "no data" : time.duration(age)}
        <span className="muted">
          {" "}
          / {stream.objective_seconds === null ? "none" : time.duration(stream.objective_seconds)}
        </span>
      </td>
      <RatioCell ratio={quality?.completeness} />
      <RatioCell ratio={quality?.validity} />
      <td>
        <GradeMark grade={stream.grade} />
      </td>
      <td>
        <AddsUp balanced={balanced} difference={difference} />
      </td>
    </tr>
  );
}

function RatioCell({ ratio }: { ratio: Ratio | undefined }) {
  const title = ratio ? `${number.count(ratio.good)} of ${number.count(ratio.of)}` : undefined;
  return (
    <td className="num" title={title}>
      {number.share(ratio?.value)}
    </td>
  );
}

export function AddsUp({ balanced, difference }: { balanced: boolean; difference: number }) {
  return (
    <span className="adds-up" data-tone={balanced ? "good" : "bad"}>
      <Icon name={balanced ? "check" : "cross"} size={14} />
      {balanced ? "yes" : difference === 0 ? "check failed" : `off by ${number.countChange(difference)}`}
    </span>
  );
}
