/** The score over time, on the bands it passed through. */

import { useMemo } from "react";
import type { CustomerHealth } from "../../api/types";
import { Chart } from "../../charts/Lazy";
import type { ChartZone } from "../../charts/TimeChart";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { bandLook } from "../../model/bands";
import { FiguresTable } from "../../ui/FiguresTable";
import { BandBadge } from "../../ui/Marks";
import { Empty, Tile } from "../../ui/Tile";

export function History({ health, vintage }: { health: CustomerHealth; vintage: Vintage }) {
  const { history, model } = health;
  const zones = useMemo(
    (): ChartZone[] =>
      (model?.bands ?? []).map(({ band, label, low, high }) => ({
        label,
        low,
        high,
        colour: `--${bandLook(band, model?.bands).tone}`,
      })),
    [model],
  );
  const points = useMemo(() => history.map(({ at, score }) => ({ at, value: score })), [history]);
  const scores = history.map(({ score }) => score);
  const label = `Score from ${time.day(history[0]?.at)} to ${time.day(history.at(-1)?.at)}, between ${number.score(Math.min(...scores))} and ${number.score(Math.max(...scores))}`;
  return (
    <Tile title="Score history" className="half" vintage={vintage}>
      {history.length < 2 ? (
        <Empty title="No history yet">Scores are kept when they move, and once a day.</Empty>
      ) : (
        <>
          <Chart
            kind="line"
            points={points}
            zones={zones}
            low={0}
            high={100}
            label={label}
            formatValue={number.score}
            formatScale={number.count}
            formatAxis={time.mark}
            formatTime={(at) => `${time.instant(at)} UTC`}
          />
          <FiguresTable
            caption="Score history"
            heads={["At (UTC)", "Score", "Band"]}
            rows={history.toReversed().map((point) => ({
              key: point.at,
              cells: [
                time.instant(point.at),
                number.score(point.score),
                <BandBadge key="band" band={point.band} bands={model?.bands} />,
              ],
            }))}
          />
        </>
      )}
    </Tile>
  );
}
