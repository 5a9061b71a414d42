/** Why records were set aside or turned away. Values of records are never shown here, because they are never sent. */

import { useEffect, useState } from "react";
import { query } from "../../api/client";
import type { Quarantine, QuarantineReason, QuarantineRow, SourceStatus } from "../../api/types";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { Icon } from "../../ui/Icon";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";
import { Decide } from "./Decide";

const EVERY = 30;
const ROWS = 50;

interface QuarantineTileProps {
  source: string;
  refusals: SourceStatus["refusals"];
  /** Records in quarantine; when it moves, the reasons have moved. */
  count: number;
}

export function QuarantineTile({ source, refusals, count }: QuarantineTileProps) {
  const quarantine = useResource<Quarantine>(`/data/quarantine${query({ source, limit: ROWS })}`, { every: EVERY });
  const { refresh } = quarantine;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a moved count is the reason to fetch
  useEffect(() => refresh(), [count, refresh]);
  return (
    <Tile
      title="Quarantine"
      className="narrow"
      vintage={resourceVintage(quarantine)}
      warning={quarantine.data ? quarantine.error : null}
    >
      <Loaded resource={quarantine} lines={6}>
        {(data) =>
          data.reasons.length === 0 ? (
            <Empty icon="good" title="Nothing in quarantine">
              Every record passed the checks of its contract.
            </Empty>
          ) : (
            <ul className="reason-list">
              {data.reasons.map((reason) => (
                <Reason
                  key={[reason.stream, reason.reason, reason.field, reason.rule, reason.contract_version].join(".")}
                  reason={reason}
                  rows={data.rows}
                  refresh={refresh}
                />
              ))}
            </ul>
          )
        }
      </Loaded>
      {refusals.length > 0 && (
        <section className="refusals">
          <h3>Refused at the door</h3>
          <ul>
            {refusals.map(({ reason, count: times }) => (
              <li key={reason}>
                <span className="mono">{reason}</span>
                <span className="num">{number.count(times)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </Tile>
  );
}

interface ReasonProps {
  reason: QuarantineReason;
  rows: readonly QuarantineRow[];
  refresh(): void;
}

function Reason({ reason, rows, refresh }: ReasonProps) {
  const [open, setOpen] = useState(false);
  const own = rows.filter(
    (row) =>
      row.stream === reason.stream &&
      row.reason === reason.reason &&
      row.field === reason.field &&
      row.rule === reason.rule &&
      row.contract_version === reason.contract_version,
  );
  return (
    <li>
      <div className="reason-head">
        <span className="mono">{reason.reason}</span>
        <strong className="num">{number.count(reason.count)}</strong>
      </div>
      <p className="reason-where">
        {reason.stream}
        {reason.field && <> · field {reason.field}</>}
        {reason.rule && <> · rule {reason.rule}</>} · contract version {reason.contract_version}
      </p>
      <p className="reason-message">{reason.message}</p>
      <p className="reason-foot">
        <span className="muted">last {time.instant(reason.last_at)} UTC</span>
        {own.length > 0 && (
          <button type="button" className="text-button" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide" : "Show"} {own.length === reason.count ? "records" : `newest ${own.length}`}
          </button>
        )}
      </p>
      {open && (
        <ul className="places">
          {own.map((row) => (
            <li key={row.id}>
              <Icon name={row.place.lane === "live" ? "bolt" : "box"} size={12} label={`${row.place.lane} lane`} />
              <span className="mono" title={`Id ${row.id}, contract version ${row.contract_version}`}>
                {`${row.place.epoch}·p${row.place.partition}·${row.place.position}·${row.place.index}`}
              </span>
              <span className="muted num">{time.instant(row.received_at)}</span>
            </li>
          ))}
        </ul>
      )}
      <Decide cause={reason} refresh={refresh} />
    </li>
  );
}
