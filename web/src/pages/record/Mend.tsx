/** A record's payload, corrected: tried without deciding anything, then fixed. */

import { type FormEvent, useId, useMemo, useState } from "react";
import { call, ProblemError, said } from "../../api/client";
import type { Decided, QuarantineRecord } from "../../api/quarantine";
import { session } from "../../api/session";
import type { QuarantineOutcome } from "../../api/types";
import { useStore } from "../../data/store";
import { layOut } from "../../model/payload";
import { Icon } from "../../ui/Icon";
import { Tile } from "../../ui/Tile";

interface Defect {
  field: string | null;
  reason: string;
  message: string;
}

type Result =
  | { is: "nothing" }
  | { is: "passing" }
  | { is: "failing"; defects: readonly Defect[] }
  | { is: "fixed" }
  | { is: "error"; text: string };

interface MendProps {
  record: QuarantineRecord;
  /** As it came; "" where it is no text. */
  payload: string;
  route: string;
  refresh(): void;
}

export function Mend({ record, payload, route, refresh }: MendProps) {
  const current = useStore(session);
  const original = useMemo(() => layOut(payload)?.lines.join("\n") ?? payload, [payload]);
  const [text, setText] = useState(original);
  const [why, setWhy] = useState("");
  const [release, setRelease] = useState(false);
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Result>({ is: "nothing" });
  const textId = useId();
  const whyId = useId();
  const releaseId = useId();

  function edit(next: string) {
    setText(next);
    // What was said is of another text.
    setResult({ is: "nothing" });
  }

  async function ask(verb: "preview" | "fix") {
    if (current.status !== "signed-in") return;
    setBusy(true);
    try {
      JSON.parse(text);
      const body = { payload: text, release, ...(verb === "fix" && { why }) };
      const answer = await call<Decided>(`${route}/${verb}`, { method: "POST", body, csrf: current.me.csrf });
      if (answer) setResult(verb === "preview" ? tried(answer.data) : fixed(answer.data));
      if (verb === "fix") refresh();
    } catch (failure) {
      setResult(failed(failure));
    } finally {
      setBusy(false);
    }
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    void ask("fix");
  }

  return (
    <Tile title="Correct it">
      <form className="mend" onSubmit={submit}>
        <label htmlFor={textId}>
          The payload as it should be. Try it as often as you like: only “Fix” decides, and what came stays as it is.
        </label>
        <textarea
          id={textId}
          className="mono"
          value={text}
          rows={Math.min(24, Math.max(6, original.split("\n").length + 1))}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          onChange={(event) => edit(event.target.value)}
        />
        {record.state === "held" && (
          <label className="mend-release" htmlFor={releaseId}>
            <input
              id={releaseId}
              type="checkbox"
              checked={release}
              onChange={(event) => {
                setRelease(event.target.checked);
                setResult({ is: "nothing" });
              }}
            />
            It is right now: no check that holds stands in its way
          </label>
        )}
        <div className="mend-actions">
          <button
            type="button"
            className="button"
            disabled={busy || text.trim() === ""}
            onClick={() => void ask("preview")}
          >
            Try it
          </button>
          {text !== original && (
            <button type="button" className="button quiet" disabled={busy} onClick={() => edit(original)}>
              Back to what came
            </button>
          )}
        </div>
        <Said result={result} />
        <label htmlFor={whyId}>Why? It becomes part of the record’s history. No personal data, please.</label>
        <div className="mend-actions">
          <input id={whyId} value={why} maxLength={1000} required onChange={(event) => setWhy(event.target.value)} />
          <button type="submit" className="button primary" disabled={busy || why.trim() === "" || text.trim() === ""}>
            Fix
          </button>
        </div>
      </form>
    </Tile>
  );
}

function Said({ result }: { result: Result }) {
  return (
    <div role="status" className="mend-said">
      {result.is === "passing" && (
        <p data-tone="good">
          <Icon name="good" size={15} /> It passes the contract in force. Nothing is decided yet.
        </p>
      )}
      {result.is === "fixed" && (
        <p data-tone="good">
          <Icon name="good" size={15} /> Fixed. It takes effect within seconds.
        </p>
      )}
      {result.is === "error" && (
        <p data-tone="bad">
          <Icon name="bad" size={15} /> {result.text}
        </p>
      )}
      {result.is === "failing" && (
        <>
          <p data-tone="bad">
            <Icon name="bad" size={15} /> It does not pass yet, and nothing was decided.
          </p>
          <ul>
            {result.defects.map(({ field, reason, message }) => (
              <li key={`${field}.${reason}.${message}`}>
                <span className="mono">{field === null ? reason : `${field}: ${reason}`}</span> {message}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function tried(outcome: QuarantineOutcome): Result {
  if (outcome.passing > 0) return { is: "passing" };
  if (outcome.settled > 0) return { is: "error", text: "It was decided about meanwhile." };
  return { is: "failing", defects: outcome.failures };
}

function fixed(outcome: Decided): Result {
  return outcome.decided > 0 ? { is: "fixed" } : { is: "error", text: "Somebody else decided about it meanwhile." };
}

function failed(failure: unknown): Result {
  if (failure instanceof SyntaxError) return { is: "error", text: `This is no JSON: ${failure.message}` };
  const errors = failure instanceof ProblemError ? (failure.problem.errors ?? []) : [];
  if (errors.length === 0) return { is: "error", text: said(failure) };
  return {
    is: "failing",
    defects: errors.map(({ field, reason, hint }) => ({ field: field ?? null, reason, message: hint ?? "" })),
  };
}
