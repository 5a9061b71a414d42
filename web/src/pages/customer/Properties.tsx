/** What else the source said of the events of a line; loaded when one is opened. */

import type { TimelineEntry } from "../../api/types";
import * as number from "../../format/number";
import * as time from "../../format/time";

const MOST = 20;

/** A property's value as text: words as they stand, everything else as JSON. */
export function told(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export default function Properties({ entries }: { entries: readonly TimelineEntry[] }) {
  const shown = entries.slice(0, MOST);
  return (
    <div style={{ gridColumn: "1 / -1" }} data-testid="properties">
      {shown.map((entry, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: entries of one line may be the same in everything
        <section key={index}>
          {entries.length > 1 && <h4>{time.exact(entry.at)}</h4>}
          {entry.properties_left_out && <p className="muted">Too long to be kept here; the lake has them.</p>}
          {entry.properties && (
            <table className="plain-table">
              <tbody>
                {Object.entries(entry.properties).map(([name, value]) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td>{told(value)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      ))}
      {entries.length > MOST && <p className="muted">And {number.plural(entries.length - MOST, "earlier event")}.</p>}
    </div>
  );
}
