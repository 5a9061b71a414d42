/** Cohorts: what a metric comes to for those who began in one period. */

import type { Cohorts, MeasuredBracket } from "../../api/journeys";
import type { Resource } from "../../data/resource";
import * as number from "../../format/number";
import { begun } from "../../model/journeys";
import { Empty, resourceVintage, Tile } from "../../ui/Tile";
import { type Cell, HeatMap } from "./HeatMap";

export function CohortsView({ answer }: { answer: Resource<Cohorts> }) {
  const { data } = answer;
  if (data === null) return null;
  const { journey } = data;
  const rows = begun(data.cohorts).map((row) => ({ ...row, brackets: row.brackets.map(cellOf) }));
  const values = rows.flatMap(({ brackets }) => brackets.map((cell) => cell?.value ?? 0));
  return (
    <Tile
      title={`${journey.metric} a customer and ${journey.every}`}
      className="full"
      vintage={resourceVintage(answer)}
      warning={answer.error}
    >
      {rows.length === 0 ? (
        <Empty icon="journeys" title="Nobody began on these days" />
      ) : (
        <HeatMap
          caption={`Average ${journey.metric} of those who began in one ${journey.period}`}
          every={journey.every}
          period={journey.period}
          rows={rows}
          most={Math.max(...values)}
        />
      )}
    </Tile>
  );
}

function cellOf(bracket: MeasuredBracket | null): Cell | null {
  if (bracket === null) return null;
  const { total, customers, average, complete } = bracket;
  const title = `${number.measure(total)} in all, by ${number.plural(customers, "customer")}`;
  return { text: number.rate(average), value: average, complete, title };
}
