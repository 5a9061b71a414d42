/** Retention: who came back, by the period in which they began. */

import type { RetainedBracket, Retention } from "../../api/journeys";
import type { Resource } from "../../data/resource";
import * as number from "../../format/number";
import { begun } from "../../model/journeys";
import { Empty, resourceVintage, Tile } from "../../ui/Tile";
import { type Cell, HeatMap } from "./HeatMap";

export function RetentionView({ answer }: { answer: Resource<Retention> }) {
  const { data } = answer;
  if (data === null) return null;
  const { journey } = data;
  const rows = begun(data.cohorts).map((row) => ({ ...row, brackets: row.brackets.map(cellOf) }));
  const back = journey.counts === "from" ? "came back in it or later" : "came back in it";
  return (
    <Tile title={`Who ${back}`} className="full" vintage={resourceVintage(answer)} warning={answer.error}>
      {rows.length === 0 ? (
        <Empty icon="journeys" title="Nobody began on these days" />
      ) : (
        <HeatMap
          caption={`Share of each ${journey.every}'s beginners that ${back}`}
          every={journey.every}
          period={undefined}
          rows={rows}
          overall={data.overall.map(cellOf)}
          most={1}
        />
      )}
    </Tile>
  );
}

function cellOf(bracket: RetainedBracket | null): Cell | null {
  if (bracket === null) return null;
  const { count, share, complete } = bracket;
  return { text: number.share(share), value: share, complete, title: number.count(count) };
}
