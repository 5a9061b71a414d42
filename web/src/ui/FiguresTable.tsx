/** The figures of a chart as a table, folded away: for screen readers, for exact values, for copying. */

import type { ReactNode } from "react";
import { Scroll } from "./Scroll";

interface FiguresTableProps {
  caption: string;
  heads: readonly string[];
  rows: readonly { key: string; cells: readonly ReactNode[] }[];
}

export function FiguresTable({ caption, heads, rows }: FiguresTableProps) {
  return (
    <details className="figures">
      <summary>As a table</summary>
      <Scroll label={caption}>
        <table>
          <caption className="sr-only">{caption}</caption>
          <thead>
            <tr>
              {heads.map((head) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ key, cells }) => (
              <tr key={key}>
                {cells.map((cell, column) => (
                  <td key={heads[column]}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}
