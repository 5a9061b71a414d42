/** One record that was set aside: what is wrong with it, its payload for those who may read it, and what can be done about it. */

import { useState } from "react";
import { get, said } from "../../api/client";
import type { QuarantineContent, QuarantineDecision, QuarantineRecord } from "../../api/quarantine";
import { session } from "../../api/session";
import { useResource } from "../../data/resource";
import { useStore } from "../../data/store";
import { shown } from "../../format/text";
import * as time from "../../format/time";
import { paths } from "../../router";
import { Icon } from "../../ui/Icon";
import { Link } from "../../ui/Link";
import { Page } from "../../ui/Page";
import { Empty, Failure, resourceVintage, Skeleton, Tile } from "../../ui/Tile";
import "../../styles/data.css";
import "../../styles/record.css";
import { Mend } from "./Mend";
import { Payload } from "./Payload";
import { Settle } from "./Settle";

/** A decision takes effect within seconds, and somebody else may decide. */
const EVERY = 3;

const STATES: Record<QuarantineRecord["state"], { label: string; tone?: string }> = {
  quarantined: { label: "in quarantine", tone: "warn" },
  held: { label: "held", tone: "warn" },
  fixed: { label: "in effect", tone: "good" },
  dismissed: { label: "given up" },
};

export function RecordPage({ source, id }: { source: string; id: string }) {
  const route = `/data/quarantine/records/${encodeURIComponent(id)}`;
  const record = useResource<QuarantineRecord>(route, { every: EVERY });
  const { data, error, refresh } = record;
  return (
    <Page
      title="Record"
      above={
        <Link to={paths.data(source)} className="back">
          <Icon name="left" size={13} /> {shown(source)}
        </Link>
      }
      beside={data && <State record={data} />}
      subtitle={<span className="mono">{shown(id)}</span>}
    >
      {data === null ? (
        error ? (
          <Failure error={error} retry={refresh} />
        ) : (
          <Skeleton lines={12} />
        )
      ) : (
        <div className="grid record">
          <div className="column narrow">
            <Tile title="Why it was set aside" vintage={resourceVintage(record)} warning={error}>
              <Facts record={data} />
            </Tile>
            <Tile title="What was decided">
              <Decisions history={data.history} />
            </Tile>
          </div>
          <Content record={data} route={route} refresh={refresh} />
        </div>
      )}
    </Page>
  );
}

function State({ record }: { record: QuarantineRecord }) {
  const { label, tone } = STATES[record.state];
  return (
    <span className="badge" data-tone={tone} role="status">
      {label}
    </span>
  );
}

function Facts({ record }: { record: QuarantineRecord }) {
  const { place } = record;
  const entries: [string, string | null][] = [
    ["Reason", record.reason],
    ["Field", record.field],
    ["Rule", record.rule],
    ["Held by", record.held_by.join(", ") || null],
    ["Stream", `${record.source}.${record.stream}`],
    ["Owned by", record.owners.join(", ") || null],
    ["Contract version", record.contract_version === 0 ? "none" : String(record.contract_version)],
    ["Received", time.exact(record.received_at)],
    ["Load", record.load],
    ["Place", `${place.epoch}·p${place.partition}·${place.lane}·${place.position}·${place.index}`],
  ];
  return (
    <>
      <p className="record-message">{record.message}</p>
      <dl className="record-facts">
        {entries.map(
          ([label, value]) =>
            value !== null && (
              <div key={label}>
                <dt>{label}</dt>
                <dd className="mono">{shown(value)}</dd>
              </div>
            ),
        )}
      </dl>
    </>
  );
}

function Decisions({ history }: { history: readonly QuarantineDecision[] }) {
  if (history.length === 0) return <p className="muted">Nothing yet.</p>;
  return (
    <ol className="record-history">
      {history.map((one) => (
        <li key={`${one.at}.${one.decision}`}>
          <p>
            <strong>{one.decision}</strong> by {shown(one.by)}
            {one.contract_version !== null && <> under version {one.contract_version}</>}
            {one.released.length > 0 && <>, past {one.released.join(", ")}</>}
          </p>
          {one.reason && <p className="record-why">{shown(one.reason)}</p>}
          <p className="muted">{time.exact(one.at)}</p>
        </li>
      ))}
    </ol>
  );
}

interface ContentProps {
  record: QuarantineRecord;
  route: string;
  refresh(): void;
}

/** What needs more than to see the record. */
function Content({ record, route, refresh }: ContentProps) {
  const current = useStore(session);
  const [content, setContent] = useState<QuarantineContent | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const may = current.status === "signed-in" ? current.me.permissions : [];
  const decides = may.includes("quarantine:decide");
  const reveals = decides && may.includes("quarantine:reveal");
  const ended = record.state === "fixed";

  async function open() {
    setBusy(true);
    setError(null);
    try {
      const { data } = await get<QuarantineRecord>(`${route}?reveal=true`);
      setContent(data.content);
    } catch (failure) {
      setError(said(failure));
    } finally {
      setBusy(false);
    }
  }

  return (
    <div className="column wide record-content">
      <Tile title="Payload">
        {!reveals ? (
          <Empty icon="lock" title="Not for your role">
            A payload may hold personal data. Opening and correcting one here needs the permissions quarantine:reveal
            and quarantine:decide.
          </Empty>
        ) : content === null ? (
          <div className="notice">
            <Icon name="lock" size={22} />
            <strong>Sealed</strong>
            <p>A payload may hold personal data. That you opened it is logged, without what it holds.</p>
            <button type="button" className="button" disabled={busy} onClick={() => void open()}>
              Open the payload
            </button>
            {error && (
              <p className="decide-error" role="alert">
                {error}
              </p>
            )}
          </div>
        ) : (
          <Payload record={record} content={content} />
        )}
      </Tile>
      {content !== null && !ended && (
        <Mend record={record} payload={content.payload ?? ""} route={route} refresh={refresh} />
      )}
      {decides && !ended && <Settle record={record} refresh={refresh} />}
    </div>
  );
}
