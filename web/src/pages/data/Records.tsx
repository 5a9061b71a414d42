/** The records of a cause, the newest first, a page after the other; each opens on a page of its own. */

import { useEffect, useRef, useState } from "react";
import { get, query, said } from "../../api/client";
import type { QuarantineReason, QuarantineRow } from "../../api/types";
import * as time from "../../format/time";
import { paths } from "../../router";
import { Icon } from "../../ui/Icon";
import { Link } from "../../ui/Link";
import { Skeleton } from "../../ui/Tile";

const PAGE = 50;

/** What waits for the same reason has the same. */
export function causeKey(one: QuarantineReason | QuarantineRow): string {
  return [one.stream, one.reason, one.field, one.rule, one.contract_version, one.state, one.load, ...one.held_by].join(
    ".",
  );
}

export function Records({ cause }: { cause: QuarantineReason }) {
  const [rows, setRows] = useState<QuarantineRow[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);

  async function load(after: string | null) {
    abort.current?.abort();
    const asking = new AbortController();
    abort.current = asking;
    setBusy(true);
    setError(null);
    const { source, stream, reason, field, rule, contract_version, state } = cause;
    const asked = { source, stream, reason, field, rule, contract_version, state, limit: PAGE, cursor: after };
    try {
      const { data, meta } = await get<QuarantineRow[]>(`/data/quarantine/records${query(asked)}`, asking.signal);
      // Causes that differ in what else holds a record come in one answer.
      const own = data.filter((row) => causeKey(row) === causeKey(cause));
      setRows((before) => (after === null ? own : [...before, ...own]));
      setCursor(meta.next_cursor);
      setBusy(false);
    } catch (failure) {
      if (asking.signal.aborted) return;
      setError(said(failure));
      setBusy(false);
    }
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: another cause is another list
  useEffect(() => {
    void load(null);
    return () => abort.current?.abort();
  }, [causeKey(cause)]);

  return (
    <div className="places">
      <ul>
        {rows.map((row) => (
          <li key={row.id}>
            <Icon name={row.place.lane === "live" ? "bolt" : "box"} size={12} label={`${row.place.lane} lane`} />
            <Link to={paths.record(row.source, row.id)} className="mono" title={`Id ${row.id}`}>
              {`${row.place.epoch}·p${row.place.partition}·${row.place.position}·${row.place.index}`}
            </Link>
            <span className="muted num">{time.instant(row.received_at)}</span>
          </li>
        ))}
      </ul>
      {busy && rows.length === 0 && <Skeleton lines={2} />}
      {!busy && !error && rows.length === 0 && <p className="muted">None of them is here any more.</p>}
      {error && (
        <p className="decide-error" role="alert">
          {error}{" "}
          <button type="button" className="text-button" onClick={() => void load(cursor)}>
            Try again
          </button>
        </p>
      )}
      {cursor !== null && !error && (
        <button type="button" className="text-button" disabled={busy} onClick={() => void load(cursor)}>
          Show older ones
        </button>
      )}
    </div>
  );
}
