/** The equation of every received day. */

import type { DayStatus } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { conservation, TERM_HELP, TERM_LABELS, TERMS } from "../../model/conservation";
import { Scroll } from "../../ui/Scroll";
import { Empty, Tile } from "../../ui/Tile";
import { AddsUp } from "./Streams";

interface DaysProps {
  days: readonly DayStatus[];
  vintage: Vintage;
  warning: Error | null;
}

export function Days({ days, vintage, warning }: DaysProps) {
  return (
    <Tile title="By received day" className="wide" vintage={vintage} warning={warning}>
      {days.length === 0 ? (
        <Empty title="Nothing received yet" />
      ) : (
        <Scroll label="By received day" tall>
          <table className="plain-table days">
            <thead>
              <tr>
                <th scope="col">Day (UTC)</th>
                <th scope="col" className="num">
                  received
                </th>
                {TERMS.map((term) => (
                  <th key={term} scope="col" className="num" title={TERM_HELP[term]}>
                    {TERM_LABELS[term]}
                  </th>
                ))}
                <th scope="col">Adds up</th>
              </tr>
            </thead>
            <tbody>
              {days.map((entry) => (
                <tr key={entry.day}>
                  <th scope="row" title={time.weekday(entry.day)}>
                    {time.nearDay(entry.day)}
                  </th>
                  <td className="num">
                    <strong>{number.count(entry.received)}</strong>
                  </td>
                  {TERMS.map((term) => (
                    <td key={term} className="num" data-zero={entry[term] === 0 || undefined}>
                      {number.count(entry[term])}
                    </td>
                  ))}
                  <td>
                    <AddsUp {...conservation(entry)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Tile>
  );
}
