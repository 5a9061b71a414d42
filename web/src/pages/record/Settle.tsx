/** What can be decided about a record without changing it: a held one is right, or one is given up. */

import { type FormEvent, useId, useState } from "react";
import { call, said } from "../../api/client";
import type { Decided, QuarantineRecord } from "../../api/quarantine";
import { session } from "../../api/session";
import { useStore } from "../../data/store";
import { Tile } from "../../ui/Tile";

interface Told {
  text: string;
  bad: boolean;
}

export function Settle({ record, refresh }: { record: QuarantineRecord; refresh(): void }) {
  const current = useStore(session);
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Told | null>(null);
  const whyId = useId();
  const held = record.held_by.length > 0;
  if (record.state === "dismissed" && !held) return null;

  async function decide(verb: "release" | "dismiss") {
    if (current.status !== "signed-in") return;
    setBusy(true);
    setTold(null);
    const body = { ids: [record.id], why };
    try {
      const answer = await call<Decided>(`/data/quarantine/${verb}`, { method: "POST", body, csrf: current.me.csrf });
      if (answer) setTold(outcomeOf(verb, answer.data));
    } catch (failure) {
      setTold({ text: said(failure), bad: true });
    } finally {
      setBusy(false);
      refresh();
    }
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    void decide(held ? "release" : "dismiss");
  }

  return (
    <Tile title={held ? "Release it, or give it up" : "Give it up"}>
      <form className="mend" onSubmit={submit}>
        <label htmlFor={whyId}>
          {held
            ? "Released, it takes effect as it stands, past what holds it and nothing else. Why?"
            : "It stays counted, and can still be fixed. Why?"}
        </label>
        <div className="mend-actions">
          <input id={whyId} value={why} maxLength={1000} required onChange={(event) => setWhy(event.target.value)} />
          {held && (
            <button type="submit" className="button primary" disabled={busy || why.trim() === ""}>
              Release
            </button>
          )}
          {record.state !== "dismissed" && (
            <button
              type={held ? "button" : "submit"}
              className="button"
              disabled={busy || why.trim() === ""}
              onClick={held ? () => void decide("dismiss") : undefined}
            >
              Dismiss
            </button>
          )}
        </div>
        <div role="status">{told && <p className={told.bad ? "decide-error" : undefined}>{told.text}</p>}</div>
      </form>
    </Tile>
  );
}

function outcomeOf(verb: "release" | "dismiss", outcome: Decided): Told {
  const [failure] = outcome.failures;
  if (failure) return { text: `It does not pass otherwise: ${failure.message}`, bad: true };
  if (outcome.underway > 0) {
    return { text: "Another decision about it is on its way. Look again in a moment.", bad: true };
  }
  if (outcome.decided === 0) return { text: "Somebody else decided about it meanwhile.", bad: true };
  return { text: verb === "release" ? "Released. It takes effect within seconds." : "Given up.", bad: false };
}
