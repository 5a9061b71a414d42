/** What is to come once and came more often: the worst streams and fields first, and which entities share a value. */

import { useState } from "react";
import { query } from "../../api/client";
import type { FieldQuality, QualityMetrics, QualityScore, SharedValue, SharedValues } from "../../api/quality";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { points, type Repeated, repeated, wayLabel } from "../../model/uniqueness";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { Change } from "../../ui/Marks";
import { Scroll } from "../../ui/Scroll";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";

const EVERY = 60;
const SHOWN = 20;
/** Of fields: few are to be unique, and the worst come first. */
const MOST = 100;

interface ChoiceProps {
  chosen: FieldQuality | null;
  onChoose(field: FieldQuality): void;
}

interface TileProps extends ChoiceProps {
  selected: { source: string | null; from: string };
}

export function UniquenessTile({ selected, ...choice }: TileProps) {
  const unique = useResource<QualityMetrics>(
    `/data/quality/metrics${query({ ...selected, dimension: "uniqueness", order: "worst", limit: MOST })}`,
    { every: EVERY },
  );
  return (
    <Tile
      title="Uniqueness"
      className="full"
      vintage={resourceVintage(unique)}
      warning={unique.data ? unique.error : null}
    >
      <Loaded resource={unique} lines={4}>
        {(found) => <Uniqueness quality={found} {...choice} />}
      </Loaded>
    </Tile>
  );
}

interface UniquenessProps extends ChoiceProps {
  quality: QualityMetrics;
}

export function Uniqueness({ quality, chosen, onChoose }: UniquenessProps) {
  const [open, setOpen] = useState<string | null>(null);
  const rows = repeated(quality);
  const shown = rows.find((row) => row.key === open);
  if (rows.length === 0) {
    return (
      <Empty icon="neutral" title="Nothing is declared to come once">
        Events with a record id are counted here, and fields of entities that their contract declares unique.
      </Empty>
    );
  }
  return (
    <>
      <Scroll label="Uniqueness" tall={rows.length > 8}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">Stream</th>
              <th scope="col">Measured by</th>
              <th scope="col" className="num">
                Unique
              </th>
              <th scope="col" className="num">
                Came again
              </th>
              <th scope="col" className="num">
                Of
              </th>
              <th scope="col" className="num" title="in points of a hundred">
                7 days
              </th>
              <th scope="col">
                <span className="sr-only">History</span>
              </th>
              <th scope="col">
                <span className="sr-only">Who shares</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row
                key={row.key}
                row={row}
                history={chosen !== null && row.quality !== null && isSame(chosen, row.quality)}
                open={row.key === open}
                onChoose={onChoose}
                onOpen={() => setOpen(row.key === open ? null : row.key)}
              />
            ))}
          </tbody>
        </table>
      </Scroll>
      {shown && <Sharing key={shown.key} row={shown} />}
    </>
  );
}

interface RowProps {
  row: Repeated;
  history: boolean;
  open: boolean;
  onChoose(field: FieldQuality): void;
  onOpen(): void;
}

function Row({ row, history, open, onChoose, onOpen }: RowProps) {
  const { score, quality } = row;
  const name = row.field === "" ? `records of ${row.stream}` : `${row.field} of ${row.stream}`;
  return (
    <tr data-chosen={open || history || undefined}>
      <th scope="row">{row.field === "" ? <span className="muted">whole records</span> : row.field}</th>
      <td className="muted">{row.stream}</td>
      <td className="muted">{wayLabel(score)}</td>
      <td className="num">{number.share(score.value)}</td>
      <td className="num">{number.count(score.of - score.good)}</td>
      <td className="num">{number.count(score.of)}</td>
      <td className="num">
        <Change value={points(score.change)} />
      </td>
      <td>
        {quality && (
          <button
            type="button"
            className="text-button"
            aria-pressed={history}
            aria-label={`History of ${name}`}
            onClick={() => onChoose(quality)}
          >
            History
          </button>
        )}
      </td>
      <td>
        {isHeld(score) && score.good < score.of && (
          <button
            type="button"
            className="text-button"
            aria-expanded={open}
            aria-label={`${open ? "Hide who shares" : "Who shares"} ${name}`}
            onClick={onOpen}
          >
            {open ? "Hide" : "Who shares"}
          </button>
        )}
      </td>
    </tr>
  );
}

function isSame(one: FieldQuality, other: FieldQuality): boolean {
  return one.source === other.source && one.stream === other.stream && one.field === other.field;
}

/** Whether it was measured of entities that are held: of events, repeats are dropped and not listed. */
function isHeld(score: QualityScore): boolean {
  return score.measured.some(({ method }) => method === "unique");
}

function Sharing({ row }: { row: Repeated }) {
  const { source, streamName, field } = row;
  const path = `/data/quality/uniqueness${query({ source, stream: streamName, field: field || null, limit: SHOWN })}`;
  const found = useResource<SharedValues>(path, { every: EVERY });
  return (
    <Loaded resource={found} lines={3}>
      {({ shared, total }) =>
        shared.length === 0 ? (
          <Empty icon="good" title="No value is shared any more" />
        ) : (
          <>
            <h3 className="sharing-head">
              Who shares a value of <span className="mono">{field || row.stream}</span>
            </h3>
            <Scroll label="Who shares a value" tall={shared.length > 6}>
              <ul className="reason-list">
                {shared.map((one) => (
                  <Group key={`${one.field}.${one.refs.join()}`} one={one} />
                ))}
              </ul>
            </Scroll>
            {total > shared.length && (
              <p className="muted small">
                The largest {number.count(shared.length)} of {number.count(total)} shared values that are kept.
              </p>
            )}
          </>
        )
      }
    </Loaded>
  );
}

function Group({ one }: { one: SharedValue }) {
  const more = one.n - one.refs.length;
  return (
    <li>
      <div className="reason-head">
        <span>
          One value of <span className="mono">{one.field}</span>
        </span>
        <strong className="num">{number.count(one.n)} have it</strong>
      </div>
      <p className="reason-where">
        {one.refs.map((ref, place) => {
          const id = one.ids[place] ?? null;
          return (
            <span key={ref} className="mono shared-entity" title={id === null ? ref : undefined}>
              {id === null ? ref.slice(0, 8) : <Link to={paths.customer(id)}>{id}</Link>}
            </span>
          );
        })}
        {more > 0 && <span className="muted">and {number.count(more)} more</span>}
      </p>
      <p className="reason-foot">
        <span className="muted">seen {time.instant(one.at)} UTC</span>
      </p>
    </li>
  );
}
