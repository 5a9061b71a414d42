/** What is far from what the days before it let expect, and not telling for a while what is known. */

import { type FormEvent, useId, useState } from "react";
import type { Anomaly, FoundAnomalies } from "../../api/anomalies";
import { call, ProblemError } from "../../api/client";
import { session } from "../../api/session";
import { useStore } from "../../data/store";
import * as time from "../../format/time";
import { anomalyLine, anomalySubject, signalLabel } from "../../model/anomalies";
import { Scroll } from "../../ui/Scroll";
import { Empty } from "../../ui/Tile";

const SPANS = [1, 7, 30] as const;
const DAY = 86_400_000;

export function Anomalies({ found, refresh }: { found: FoundAnomalies; refresh(): void }) {
  if (found.anomalies.length === 0) {
    return (
      <Empty icon="good" title="Nothing unusual">
        Volume, bad values, lateness and metrics are compared with the eight weeks before; a stream has to be three
        weeks old first.
      </Empty>
    );
  }
  return (
    <Scroll label="Anomalies" tall={found.anomalies.length > 5}>
      <ul className="reason-list">
        {found.anomalies.map((one) => (
          <li key={`${one.signal}.${one.source}.${one.stream}.${one.name}.${one.at}`} data-tier={one.tier}>
            <div className="reason-head">
              <span>
                {signalLabel(one.signal)} <span className="mono">{anomalySubject(one)}</span>
              </span>
              <strong className="badge" data-tone={one.tier === "error" ? "bad" : "warn"}>
                {one.tier}
              </strong>
            </div>
            <p className="reason-where">{anomalyLine(one)}</p>
            <p className="reason-foot">
              <span>{one.signal === "freshness" ? `since ${time.instant(one.at)} UTC` : time.weekday(one.at)}</span>
              <span className="muted">
                {one.ended_at ? `ended ${time.instant(one.ended_at)} UTC` : `seen ${time.instant(one.seen_at)} UTC`}
                {one.muted && " · muted"}
              </span>
            </p>
            {!one.muted && !one.ended_at && <Mute anomaly={one} refresh={refresh} />}
          </li>
        ))}
      </ul>
    </Scroll>
  );
}

function Mute({ anomaly, refresh }: { anomaly: Anomaly; refresh(): void }) {
  const current = useStore(session);
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [why, setWhy] = useState("");
  const [days, setDays] = useState<number>(7);
  const whyId = useId();
  const daysId = useId();
  if (current.status !== "signed-in" || !current.me.permissions.includes("quality:mute")) return null;
  const { csrf } = current.me;

  async function mute(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const { signal, source, stream, name } = anomaly;
    const until = new Date(Date.now() + days * DAY).toISOString();
    try {
      await call("/data/quality/anomalies/mutes", {
        method: "POST",
        body: { signal, source, stream, name, until, why },
        csrf,
      });
      refresh();
    } catch (failure) {
      const problem = failure instanceof ProblemError ? failure.problem : null;
      setError(problem?.detail ?? (failure instanceof Error ? failure.message : String(failure)));
    } finally {
      setBusy(false);
    }
  }

  if (!open) {
    return (
      <button
        type="button"
        className="button quiet"
        aria-label={`Mute ${signalLabel(anomaly.signal)} ${anomalySubject(anomaly)}`}
        onClick={() => setOpen(true)}
      >
        Mute…
      </button>
    );
  }
  return (
    <form className="decide" onSubmit={(event) => void mute(event)}>
      <label htmlFor={whyId}>Why is it not to be told?</label>
      <input id={whyId} value={why} maxLength={1000} required onChange={(event) => setWhy(event.target.value)} />
      <label htmlFor={daysId}>For how long?</label>
      <select id={daysId} value={days} onChange={(event) => setDays(Number(event.target.value))}>
        {SPANS.map((span) => (
          <option key={span} value={span}>
            {span === 1 ? "1 day" : `${span} days`}
          </option>
        ))}
      </select>
      <button type="submit" className="button primary" disabled={busy || why.trim() === ""}>
        Mute
      </button>
      <button type="button" className="button quiet" onClick={() => setOpen(false)}>
        Cancel
      </button>
      {error && (
        <p className="decide-error" role="alert">
          {error}
        </p>
      )}
    </form>
  );
}
