/** What happened, newest first. */

import { lazy, Suspense, useMemo, useState } from "react";
import type { TimelineEntry } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { type TimelineLine, timelineDays } from "../../model/timeline";
import { Icon, type IconName } from "../../ui/Icon";
import { Empty, Tile } from "../../ui/Tile";
import { properties } from "../load";

const KINDS: Record<string, { icon: IconName; label: string }> = {
  event: { icon: "bolt", label: "Event" },
  milestone: { icon: "flag", label: "Milestone" },
  score: { icon: "pulse", label: "Score" },
  correction: { icon: "pencil", label: "Correction" },
};

const FIRST_DAYS = 7;

const Properties = lazy(properties);

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

function Line({ line: { entry, entries, quantity } }: { line: TimelineLine }) {
  const [open, setOpen] = useState(false);
  const told = entries.some((one) => one.properties ?? one.properties_left_out);
  const Title = told ? "button" : "span";
  const kind = KINDS[entry.kind] ?? { icon: "dot", label: entry.kind };
  const origin = [entry.source, entry.stream].filter(Boolean).join(" · ");
  return (
    <li data-kind={entry.kind}>
      <span className="timeline-icon">
        <Icon name={kind.icon} size={14} label={kind.label} />
      </span>
      <span className="timeline-text">
        <Title
          className={told ? "timeline-title text-button" : "timeline-title"}
          aria-expanded={told ? open : undefined}
          onClick={() => setOpen(told && !open)}
        >
          {entry.title}
        </Title>
        {entry.detail && <span className="timeline-detail">{entry.detail}</span>}
        {entries.length > 1 && <span className="tag num">{number.count(entries.length)} times</span>}
      </span>
      <span className="num timeline-quantity">{quantity !== null && `× ${number.measure(quantity)}`}</span>
      <span className="timeline-origin">{origin}</span>
      <time className="num muted" dateTime={entry.at} title={time.exact(entry.at)}>
        {time.hasClock(entry.at) ? time.clock(entry.at) : ""}
      </time>
      {open && (
        <Suspense>
          <Properties entries={entries} />
        </Suspense>
      )}
    </li>
  );
}
