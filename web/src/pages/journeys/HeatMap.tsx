/** A triangle of periods and brackets as a table whose cells are coloured by their value; the value stands in each. */

import type { CohortRow, Every, Period } from "../../api/journeys";
import * as number from "../../format/number";
import { bracketLabel, periodLabel, strength } from "../../model/journeys";
import { Scroll } from "../../ui/Scroll";

export interface Cell {
  text: string;
  /** What colours it. */
  value: number | null;
  complete: boolean;
  /** For tooltips. */
  title: string;
}

interface HeatMapProps {
  caption: string;
  every: Every | undefined;
  period: Period | undefined;
  rows: readonly CohortRow<Cell>[];
  overall?: readonly (Cell | null)[] | undefined;
  /** The value that is coloured most. */
  most: number;
}

export function HeatMap({ caption, every, period, rows, overall, most }: HeatMapProps) {
  const width = Math.max(overall?.length ?? 0, ...rows.map(({ brackets }) => brackets.length));
  const places = Array.from({ length: width }, (_, place) => place);
  return (
    <>
      <Scroll label={caption}>
        <table className="heat">
          <caption className="sr-only">{caption}</caption>
          <thead>
            <tr>
              <th scope="col">Began</th>
              <th scope="col">Size</th>
              {places.map((place) => (
                <th key={place} scope="col">
                  {bracketLabel(every, place)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {overall && (
              <tr className="heat-overall">
                <th scope="row">All complete</th>
                <td>{number.NOTHING}</td>
                {places.map((place) => (
                  <HeatCell key={place} cell={overall[place] ?? null} most={most} />
                ))}
              </tr>
            )}
            {rows.map(({ begins, size, brackets }) => (
              <tr key={begins}>
                <th scope="row">{periodLabel(period ?? every, begins)}</th>
                <td>{number.count(size)}</td>
                {places.map((place) => (
                  <HeatCell key={place} cell={brackets[place] ?? null} most={most} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="journey-note">
        In <i className="heat-open">italics</i>: not over yet for everybody who began then. Periods in which nobody
        began are left out.
      </p>
    </>
  );
}

function HeatCell({ cell, most }: { cell: Cell | null; most: number }) {
  if (cell === null) return <td className="heat-none" />;
  return (
    <td
      data-strength={strength(cell.value, most) * 10}
      className={cell.complete ? undefined : "heat-open"}
      title={cell.complete ? cell.title : `${cell.title}, not over yet`}
    >
      {cell.text}
    </td>
  );
}
