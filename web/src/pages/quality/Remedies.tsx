/** What remedies did to values: of how many, how lately, and how the values came. */

import { useState } from "react";
import { query } from "../../api/client";
import type { Remedies as Listed, Original, Originals, RemedyTotal } from "../../api/remedies";
import { session } from "../../api/session";
import { useResource } from "../../data/resource";
import { useStore } from "../../data/store";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { remedyLine, written } from "../../model/remedies";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { Scroll } from "../../ui/Scroll";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";

const EVERY = 30;
const SHOWN = 50;

const idOf = ({ source, stream, field, remedy }: RemedyTotal) => `${source}.${stream}.${field}.${remedy}`;

export function Remedies({ selected }: { selected: { source: string | null; from: string } }) {
  const remedies = useResource<Listed>(`/data/quality/remedies${query(selected)}`, { every: EVERY });
  return (
    <Tile
      title="Remedies"
      className="full"
      vintage={resourceVintage(remedies)}
      warning={remedies.data ? remedies.error : null}
    >
      <Loaded resource={remedies} lines={4}>
        {(found) => <Totals found={found} />}
      </Loaded>
    </Tile>
  );
}

function Totals({ found }: { found: Listed }) {
  const [chosen, choose] = useState<string | null>(null);
  const current = useStore(session);
  const reveals = current.status === "signed-in" && current.me.permissions.includes("quarantine:reveal");
  if (found.remedies.length === 0) {
    return (
      <Empty icon="neutral" title="Nothing was remedied on these days">
        A contract may say what is done to a value before it is checked. How often that was, and how the values came,
        shows here.
      </Empty>
    );
  }
  const opened = found.remedies.find((one) => idOf(one) === chosen);
  return (
    <>
      <Scroll label="Remedies" tall={found.remedies.length > 8}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">Stream</th>
              <th scope="col">Remedy</th>
              <th scope="col" className="num" title="received copies of which it changed or marked the value">
                Values
              </th>
              <th scope="col" className="num" title="of all copies of the stream that were checked on these days">
                Share
              </th>
              <th scope="col">Latest</th>
              <th scope="col">
                <span className="sr-only">Originals</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {found.remedies.map((one) => (
              <tr key={idOf(one)} data-chosen={one === opened || undefined}>
                <th scope="row">{one.field}</th>
                <td className="muted">
                  {one.source}.{one.stream}
                </td>
                <td className="mono">{one.remedy}</td>
                <td className="num" title={remedyLine(one)}>
                  {number.count(one.records)}
                </td>
                <td className="num">{number.share(one.share)}</td>
                <td>{time.day(one.latest)}</td>
                <td>
                  <Opener one={one} reveals={reveals} open={one === opened} onChoose={choose} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {found.total > found.remedies.length && (
        <p className="muted small">
          {number.count(found.remedies.length)} of {number.count(found.total)}, those that did most.
        </p>
      )}
      {opened && <Before key={idOf(opened)} one={opened} />}
    </>
  );
}

interface OpenerProps {
  one: RemedyTotal;
  reveals: boolean;
  open: boolean;
  onChoose(id: string | null): void;
}

function Opener({ one, reveals, open, onChoose }: OpenerProps) {
  if (!one.kept) {
    return (
      <span className="muted small" title="the payloads of events lie in the lake as they came">
        not kept
      </span>
    );
  }
  if (!reveals) {
    return (
      <span className="muted small" title="originals may be personal: they need the permission quarantine:reveal">
        not for your role
      </span>
    );
  }
  return (
    <button
      type="button"
      className="text-button"
      aria-expanded={open}
      aria-label={`Originals of ${one.field} by ${one.remedy}`}
      onClick={() => onChoose(open ? null : idOf(one))}
    >
      Originals
    </button>
  );
}

function Before({ one }: { one: RemedyTotal }) {
  const { source, stream, field, remedy } = one;
  const path = `/data/quality/remedies/originals${query({ source, stream, field, remedy, limit: SHOWN })}`;
  const found = useResource<Originals>(path);
  return (
    <section className="remedy-originals" aria-label={`Originals of ${field} by ${remedy}`}>
      <h3>
        {field} <span className="mono muted">{remedy}</span>
      </h3>
      <Loaded resource={found} lines={4}>
        {({ originals }) =>
          originals.length === 0 ? (
            <Empty icon="neutral" title="In force nowhere any more">
              What it changed has been replaced since by what the source sent later.
            </Empty>
          ) : (
            <>
              <Scroll label="Originals" tall={originals.length > 8}>
                <OriginalsTable originals={originals} />
              </Scroll>
              <p className="muted small">
                {originals.length === SHOWN ? `The latest ${SHOWN} that are in force.` : "What is in force."} That they
                were opened is logged, without what they say.
              </p>
            </>
          )
        }
      </Loaded>
    </section>
  );
}

function OriginalsTable({ originals }: { originals: readonly Original[] }) {
  return (
    <table className="plain-table">
      <thead>
        <tr>
          <th scope="col">Entity</th>
          <th scope="col">Came as</th>
          <th scope="col">Is now</th>
          <th scope="col">By</th>
          <th scope="col">Observed (UTC)</th>
        </tr>
      </thead>
      <tbody>
        {originals.map((one) => (
          <tr key={`${one.ref}.${one.attribute}`}>
            <th scope="row" className="mono" title={one.ref}>
              {one.id === null ? one.ref.slice(0, 8) : <Link to={paths.customer(one.id)}>{one.id}</Link>}
            </th>
            <td className="remedy-value">{written(one.from)}</td>
            <td className="remedy-value">{written(one.value)}</td>
            <td className="mono muted">{one.by.join(", ")}</td>
            <td className="muted">{time.instant(one.at)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
