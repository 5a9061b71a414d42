/** How old the newest record of each stream is, on the data clock, against what its contract promises. */

import type { StreamFreshness } from "../../api/types";
import { runningAge, type Vintage } from "../../data/age";
import { useStreamNow } from "../../data/clock";
import * as time from "../../format/time";
import type { Tone } from "../../model/bands";
import { gradeLook } from "../../model/grades";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { GradeMark, Meter } from "../../ui/Marks";
import { Empty, Tile } from "../../ui/Tile";

interface FreshnessProps {
  streams: readonly StreamFreshness[];
  vintage: Vintage;
  warning: Error | null;
}

const WORST_FIRST = ["stale", "partial", "none", "fresh", "historical"];

export function Freshness({ streams, vintage, warning }: FreshnessProps) {
  const now = useStreamNow();
  const ordered = [...streams].sort((a, b) => WORST_FIRST.indexOf(a.grade) - WORST_FIRST.indexOf(b.grade));
  return (
    <Tile title="Freshness of the inputs" className="narrow" vintage={vintage} warning={warning}>
      {ordered.length === 0 ? (
        <Empty title="No streams yet" />
      ) : (
        <ul className="freshness">
          {ordered.map((entry) => (
            <Stream key={`${entry.source}.${entry.stream}`} entry={entry} now={now} />
          ))}
        </ul>
      )}
    </Tile>
  );
}

function Stream({ entry, now }: { entry: StreamFreshness; now: number | null }) {
  const age = runningAge(entry.newest_at, entry.seconds, now);
  const { tone } = gradeLook(entry.grade);
  const objective = entry.objective_seconds;
  return (
    <li>
      <Link to={paths.data(entry.source)} className="plain">
        <span className="muted">{entry.source}</span>
        <span aria-hidden="true"> · </span>
        {entry.stream}
      </Link>
      <span
        className="num"
        title={entry.last_received_at ? `Last received ${time.exact(entry.last_received_at)}` : undefined}
      >
        {age === null ? "no data" : time.duration(age)}
        {objective !== null && <span className="muted"> / {time.duration(objective)}</span>}
      </span>
      {objective === null ? (
        <span className="muted small">no objective</span>
      ) : (
        <Meter value={age === null ? 0 : age / objective} tone={meterTone(tone, entry.grade)} />
      )}
      <GradeMark grade={entry.grade} />
    </li>
  );
}

function meterTone(tone: string, grade: string): Tone {
  if (grade === "historical") return "neutral";
  return tone as Tone;
}
