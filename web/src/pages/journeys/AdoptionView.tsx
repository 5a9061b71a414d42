/** Adoption: how many of the active ones use a feature, and how long it takes them to begin. */

import { useMemo } from "react";
import type { Adoption } from "../../api/journeys";
import { Chart } from "../../charts/Lazy";
import type { Resource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { periodLabel } from "../../model/journeys";
import { FiguresTable } from "../../ui/FiguresTable";
import { Meter } from "../../ui/Marks";
import { Empty, resourceVintage, Tile } from "../../ui/Tile";
import { Figures } from "./Figures";

export function AdoptionView({ answer }: { answer: Resource<Adoption> }) {
  const { data } = answer;
  const periods = data?.periods;
  const points = useMemo(
    () => (periods ?? []).flatMap(({ begins, share }) => (share === null ? [] : [{ at: begins, value: share }])),
    [periods],
  );
  if (data === null) return null;
  const vintage = resourceVintage(answer);
  const { journey } = data;
  const label = `Share of active ${journey.subject}s that used it, by ${journey.period}`;
  const weeks = data.by_week.flatMap((share, week) => (share === null ? [] : [{ week, share }]));
  return (
    <>
      <Tile title="Used by" className="wide" vintage={vintage} warning={answer.error}>
        {points.length < 2 ? (
          <Empty
            icon="journeys"
            title={points[0] ? number.share(points[0].value) : "Nobody was active on these days"}
          />
        ) : (
          <Chart
            kind="line"
            points={points}
            label={`${label}, ${number.share(points.at(-1)?.value)} in the last`}
            low={0}
            high={1}
            step={0.25}
            formatValue={number.share}
            formatAxis={time.shortDay}
            formatTime={time.day}
          />
        )}
        <FiguresTable
          caption={label}
          heads={["Begins (UTC)", "Active", "Used it", "Share"]}
          rows={data.periods.toReversed().map(({ begins, active, users, share, complete }) => ({
            key: begins,
            cells: [
              `${periodLabel(journey.period, begins)}${complete ? "" : ", not over yet"}`,
              number.count(active),
              number.count(users),
              number.share(share),
            ],
          }))}
        />
      </Tile>
      <Tile title="Time to adopt" className="narrow" vintage={vintage}>
        <Figures
          entries={[
            ["Has used it", number.share(data.began ? data.adopted / data.began : null), adoptedNote(data)],
            ["Days until then", number.measure(data.median_days), "the median, from the first active day"],
          ]}
        />
        <ul className="adopted">
          {weeks.map(({ week, share }) => (
            <li key={week}>
              <span>{week === 0 ? "First day" : number.plural(week, "week")}</span>
              <Meter value={share} tone="neutral" />
              <span>{number.share(share)}</span>
            </li>
          ))}
        </ul>
      </Tile>
    </>
  );
}

function adoptedNote({ adopted, began, journey }: Adoption): string {
  return `${number.count(adopted)} of ${number.plural(began, journey.subject)} that began on these days`;
}
