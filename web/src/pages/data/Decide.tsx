/** What can be done about a cause: preview, then replay what passes; release what is held; or give the records up. */

import { type FormEvent, useId, useState } from "react";
import { call, said } from "../../api/client";
import type { Decided, Order } from "../../api/quarantine";
import { session } from "../../api/session";
import type { QuarantineOutcome, QuarantineReason } from "../../api/types";
import { useStore } from "../../data/store";
import * as number from "../../format/number";
import { OrderProgress } from "./Orders";

/** More are not previewed while somebody waits: a replay leaves what does not pass, and says why. */
const MANY = 10_000;

type Step =
  | { at: "rest" }
  | { at: "previewed"; outcome: QuarantineOutcome }
  | { at: "releasing" }
  | { at: "dismissing" }
  | { at: "done"; text: string };

interface DecideProps {
  cause: QuarantineReason;
  /** One that goes on and means these records: nothing else is decided meanwhile. */
  order: Order | null;
  refresh(): void;
}

export function Decide({ cause, order, refresh }: DecideProps) {
  const current = useStore(session);
  const [step, setStep] = useState<Step>({ at: "rest" });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [why, setWhy] = useState("");
  const whyId = useId();
  if (current.status !== "signed-in" || !current.me.permissions.includes("quarantine:decide")) return null;
  const { csrf } = current.me;
  // Held as a whole, and decided about as a whole.
  const load = cause.held_by.length === 1 ? cause.load : null;

  async function ask(route: string, more: object, then: (outcome: Decided) => Step) {
    setBusy(true);
    setError(null);
    const { source, stream, reason, field, rule, contract_version, state, held_by } = cause;
    const where = { ...(field !== null && { field }), ...(rule !== null && { rule }) };
    // What else holds a record somebody has to have seen, too.
    const some = { source, stream, reason, ...where, contract_version, state, held_by };
    const body = { ...(load === null ? some : { load }), ...more };
    try {
      const answer = await call<Decided>(`/data/quarantine/${route}`, { method: "POST", body, csrf });
      if (answer) setStep(then(answer.data));
      if (route !== "preview" || answer?.data.order !== null) refresh();
    } catch (failure) {
      setError(said(failure));
    } finally {
      setBusy(false);
    }
  }

  // Where there are many more by now, the order tells what would pass.
  const previewed = (outcome: Decided): Step =>
    outcome.order === null ? { at: "previewed", outcome } : { at: "rest" };

  const decided =
    (what: string) =>
    (outcome: Decided): Step => {
      const { matched, order: ordered } = outcome;
      // What goes on in the background is told by the order.
      if (ordered !== null) return { at: "rest" };
      return { at: "done", text: `${number.count(outcome.decided)} of ${number.count(matched)} ${what}.` };
    };

  function decide(event: FormEvent) {
    event.preventDefault();
    if (step.at === "releasing") void ask("release", { why }, decided("released"));
    else void ask("dismiss", { why }, decided("given up; they stay counted"));
  }

  if (order !== null) {
    return (
      <div className="decide">
        <OrderProgress order={order} refresh={refresh} />
      </div>
    );
  }
  return (
    <div className="decide">
      <div className="decide-actions">
        {cause.state === "held" && (
          <button type="button" className="button primary" disabled={busy} onClick={() => setStep({ at: "releasing" })}>
            {load === null ? "Release…" : "Release the load…"}
          </button>
        )}
        {load === null && cause.count > MANY && (
          <button
            type="button"
            className="button"
            disabled={busy}
            onClick={() => void ask("replay", {}, decided("replayed"))}
          >
            Replay what passes
          </button>
        )}
        {load === null && cause.count <= MANY && (
          <button type="button" className="button" disabled={busy} onClick={() => void ask("preview", {}, previewed)}>
            Preview replay
          </button>
        )}
        <button type="button" className="button quiet" disabled={busy} onClick={() => setStep({ at: "dismissing" })}>
          {load === null ? "Dismiss…" : "Dismiss the load…"}
        </button>
      </div>
      <div role="status">
        {step.at === "previewed" && <Preview outcome={step.outcome} />}
        {step.at === "done" && <p>{step.text}</p>}
      </div>
      {step.at === "previewed" && step.outcome.passing > 0 && (
        <button
          type="button"
          className="button primary"
          disabled={busy}
          onClick={() => void ask("replay", {}, decided("replayed"))}
        >
          Replay {number.count(step.outcome.passing)}
        </button>
      )}
      {(step.at === "releasing" || step.at === "dismissing") && (
        <form onSubmit={decide}>
          <label htmlFor={whyId}>
            {step.at === "releasing" ? "Why release" : "Why give up"} {number.plural(cause.count, "record")}?
          </label>
          <input id={whyId} value={why} maxLength={1000} required onChange={(event) => setWhy(event.target.value)} />
          <button type="submit" className="button primary" disabled={busy || why.trim() === ""}>
            {step.at === "releasing" ? "Release" : "Dismiss"} {number.count(cause.count)}
          </button>
          <button type="button" className="button quiet" onClick={() => setStep({ at: "rest" })}>
            Cancel
          </button>
        </form>
      )}
      {error && (
        <p className="decide-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

function Preview({ outcome }: { outcome: QuarantineOutcome }) {
  return (
    <>
      <p>
        <strong className="num">{number.count(outcome.passing)}</strong> of {number.count(outcome.matched)} would pass
        the contract in force now.
      </p>
      {outcome.failures.map((one) => (
        <p key={`${one.reason}.${one.field}.${one.rule}`} className="muted">
          {number.count(one.count)} would not: <span className="mono">{one.reason}</span>. {one.message}
        </p>
      ))}
    </>
  );
}
