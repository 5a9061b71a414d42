/** What happened, newest first. */

import { useMemo, useState } from "react";
import type { TimelineEntry } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { type TimelineLine, timelineDays } from "../../model/timeline";
import { Icon, type IconName } from "../../ui/Icon";
import { Empty, Tile } from "../../ui/Tile";

const KINDS: Record<string, { icon: IconName; label: string }> = {
  event: { icon: "bolt", label: "Event" },
  milestone: { icon: "flag", label: "Milestone" },
  score: { icon: "pulse", label: "Score" },
  correction: { icon: "pencil", label: "Correction" },
  entity: { icon: "box", label: "Change" },
};

const FIRST_DAYS = 7;

export function Timeline({ entries, vintage }: { entries: readonly TimelineEntry[]; vintage: Vintage }) {
  const [all, setAll] = useState(false);
  const days = useMemo(() => timelineDays(entries), [entries]);
  const shown = all ? days : days.slice(0, FIRST_DAYS);
  return (
    <Tile title="Timeline" className="full" vintage={vintage}>
      {days.length === 0 ? (
        <Empty icon="clock" title="Nothing in the recent timeline">
          Events of the last 35 days are listed here; older ones stay in the lake.
        </Empty>
      ) : (
        <>
          <ol className="timeline" data-testid="timeline">
            {shown.map(({ day, lines }) => (
              <li key={day}>
                <h3>{time.weekday(day)}</h3>
                <ul>
                  {lines.map((line) => (
                    <Line key={line.key} line={line} />
                  ))}
                </ul>
              </li>
            ))}
          </ol>
          {days.length > shown.length && (
            <button type="button" className="button" onClick={() => setAll(true)}>
              Show {number.plural(days.length - shown.length, "earlier day")}
            </button>
          )}
        </>
      )}
    </Tile>
  );
}

function Line({ line: { entry, times, quantity } }: { line: TimelineLine }) {
  const kind = KINDS[entry.kind] ?? { icon: "dot", label: entry.kind };
  const origin = [entry.source, entry.stream].filter(Boolean).join(" · ");
  return (
    <li data-kind={entry.kind}>
      <span className="timeline-icon">
        <Icon name={kind.icon} size={14} label={kind.label} />
      </span>
      <span className="timeline-text">
        <span className="timeline-title">{entry.title}</span>
        {entry.detail && <span className="timeline-detail">{entry.detail}</span>}
        {times > 1 && <span className="tag num">{number.count(times)} times</span>}
      </span>
      <span className="num timeline-quantity">{quantity !== null && `× ${number.measure(quantity)}`}</span>
      <span className="timeline-origin">{origin}</span>
      <time className="num muted" dateTime={entry.at} title={time.exact(entry.at)}>
        {time.hasClock(entry.at) ? time.clock(entry.at) : ""}
      </time>
    </li>
  );
}
