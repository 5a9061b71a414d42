/** Why records were set aside, held or turned away. Values of records are never shown here, because they are never sent. */

import { useEffect, useState } from "react";
import { query } from "../../api/client";
import type { Quarantine, QuarantineReason, QuarantineRow, SourceStatus } from "../../api/types";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { Icon } from "../../ui/Icon";
import { Segmented } from "../../ui/Segmented";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";
import { Decide } from "./Decide";

const EVERY = 30;
const ROWS = 50;

type Shown = "all" | "quarantined" | "held";
const SHOWN: readonly { value: Shown; label: string }[] = [
  { value: "all", label: "All" },
  { value: "quarantined", label: "Quarantined" },
  { value: "held", label: "Held" },
];

interface QuarantineTileProps {
  source: string;
  refusals: SourceStatus["refusals"];
  /** Records in quarantine, and those that are held; when they move, the reasons have moved. */
  quarantined: number;
  held: number;
}

export function QuarantineTile({ source, refusals, quarantined, held }: QuarantineTileProps) {
  const [shown, setShown] = useState<Shown>("all");
  const state = shown === "all" ? undefined : shown;
  const asked = query({ source, limit: ROWS, state });
  const quarantine = useResource<Quarantine>(`/data/quarantine${asked}`, { every: EVERY });
  const { refresh } = quarantine;
  // biome-ignore lint/correctness/useExhaustiveDependencies: moved counts are the reason to fetch
  useEffect(() => refresh(), [quarantined, held, refresh]);
  return (
    <Tile
      title="Quarantined and held"
      className="narrow"
      vintage={resourceVintage(quarantine)}
      warning={quarantine.data ? quarantine.error : null}
    >
      {(held > 0 || shown !== "all") && (
        <Segmented label="Which records" options={SHOWN} value={shown} onChange={setShown} />
      )}
      <Loaded resource={quarantine} lines={6}>
        {(data) =>
          data.reasons.length === 0 ? (
            <Empty icon="good" title="Nothing waits">
              No record waits for a decision here.
            </Empty>
          ) : (
            <ul className="reason-list">
              {data.reasons.map((reason) => (
                <Reason key={causeKey(reason)} reason={reason} rows={data.rows} refresh={refresh} />
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

/** What waits for the same reason has the same. */
function causeKey(one: QuarantineReason | QuarantineRow): string {
  return [one.stream, one.reason, one.field, one.rule, one.contract_version, one.state, one.load, ...one.held_by].join(
    ".",
  );
}

interface ReasonProps {
  reason: QuarantineReason;
  rows: readonly QuarantineRow[];
  refresh(): void;
}

function Reason({ reason, rows, refresh }: ReasonProps) {
  const [open, setOpen] = useState(false);
  const own = rows.filter((row) => causeKey(row) === causeKey(reason));
  return (
    <li>
      <div className="reason-head">
        <span className="mono">{reason.reason}</span>
        {reason.state === "held" && (
          <span className="badge" data-tone="warn" title="waiting for somebody to say that they are right">
            held
          </span>
        )}
        <strong className="num">{number.count(reason.count)}</strong>
      </div>
      <p className="reason-where">
        {reason.stream}
        {reason.field && <> · field {reason.field}</>}
        {reason.state === "held" ? (
          <> · held by {reason.held_by.join(", ")}</>
        ) : (
          reason.rule && <> · rule {reason.rule}</>
        )}{" "}
        · contract version {reason.contract_version}
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
