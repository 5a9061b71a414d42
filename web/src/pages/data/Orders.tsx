/** Orders: decisions about many records that go on in the background, how far they are, and leaving off. */

import { useState } from "react";
import { call, said } from "../../api/client";
import type { Order } from "../../api/quarantine";
import { session } from "../../api/session";
import { useStore } from "../../data/store";
import * as number from "../../format/number";
import * as time from "../../format/time";
import type { Tone } from "../../model/bands";
import { isOpen, orderProgress, orderShare, orderTitle } from "../../model/orders";
import { paths } from "../../router";
import { Icon } from "../../ui/Icon";
import { Link } from "../../ui/Link";
import { Meter } from "../../ui/Marks";

const MOST_CAUSES = 10;

const TONES: Record<Order["state"], Tone> = {
  waiting: "neutral",
  running: "good",
  done: "good",
  cancelled: "warn",
  failed: "bad",
};

export function Orders({ orders, refresh }: { orders: readonly Order[]; refresh(): void }) {
  if (orders.length === 0) return null;
  return (
    <section className="orders" aria-label="Decisions in the background">
      <h3>In the background</h3>
      <ul>
        {orders.map((order) => (
          <li key={order.id}>
            <p>{orderTitle(order)}</p>
            <OrderProgress order={order} refresh={refresh} />
          </li>
        ))}
      </ul>
    </section>
  );
}

export function OrderProgress({ order, refresh }: { order: Order; refresh(): void }) {
  const current = useStore(session);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const open = isOpen(order);
  const share = orderShare(order);

  async function cancel() {
    if (current.status !== "signed-in") return;
    setBusy(true);
    setError(null);
    try {
      await call(`/data/quarantine/orders/${order.id}/cancel`, { method: "POST", csrf: current.me.csrf });
    } catch (failure) {
      setError(said(failure));
    } finally {
      setBusy(false);
      refresh();
    }
  }

  return (
    <div className="order" data-state={order.state}>
      {open && (
        <div
          role="progressbar"
          aria-label={orderTitle(order)}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(share * 100)}
        >
          <Meter value={share} tone={TONES[order.state]} />
        </div>
      )}
      <p className="order-line">
        <span>
          {!open && (
            <Icon name={order.state === "done" ? "check" : order.state === "failed" ? "bad" : "cross"} size={12} />
          )}{" "}
          {open && `${number.count(order.matched)} of ${number.count(order.selected)} looked at: `}
          {orderProgress(order)}
        </span>
        <span className="muted">{stateWords(order)}</span>
      </p>
      {order.failures.length > 0 && <Failures failures={order.failures} />}
      {order.error && <p className="decide-error">{order.error}</p>}
      {open && order.selection.load === undefined && (
        <button type="button" className="button quiet" disabled={busy} onClick={() => void cancel()}>
          Cancel the rest
        </button>
      )}
      {error && (
        <p className="decide-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

/** Why records stay: the most frequent causes, each with one of its records. */
function Failures({ failures }: { failures: Order["failures"] }) {
  return (
    <details>
      <summary>What is wrong with those</summary>
      <ul>
        {failures.slice(0, MOST_CAUSES).map((one) => (
          <li key={`${one.stream}.${one.reason}.${one.field}.${one.rule}.${one.message}`}>
            {number.count(one.count)} <span className="mono">{one.reason}</span>: {one.message}{" "}
            <Link to={paths.record(one.source, one.example)}>For example</Link>
          </li>
        ))}
      </ul>
      {failures.length > MOST_CAUSES && (
        <p className="muted">{number.plural(failures.length - MOST_CAUSES, "other cause")}.</p>
      )}
    </details>
  );
}

function stateWords({ state, by, ended_at }: Order): string {
  if (state === "waiting") return `ordered by ${by}, waits for its turn`;
  if (state === "running") return `ordered by ${by}, goes on without this page`;
  return `${state} ${time.clock(ended_at)} UTC, ordered by ${by}`;
}
