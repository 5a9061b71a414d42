/** Why records were set aside, held or turned away. Values of records are never shown here, because they are never sent. */

import { useCallback, useEffect, useState } from "react";
import { query } from "../../api/client";
import type { Order } from "../../api/quarantine";
import { session } from "../../api/session";
import type { Quarantine, QuarantineReason, SourceStatus } from "../../api/types";
import { useResource } from "../../data/resource";
import { useStore } from "../../data/store";
import * as number from "../../format/number";
import { shown as printable } from "../../format/text";
import * as time from "../../format/time";
import { isOpen, means } from "../../model/orders";
import { Segmented } from "../../ui/Segmented";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";
import { Decide } from "./Decide";
import { Orders } from "./Orders";
import { causeKey, Records } from "./Records";

const EVERY = 30;
/** While an order goes on. */
const EVERY_ORDERED = 2;
const ORDERS = 20;
/** How long an order that has ended is still told. */
const TOLD = 3_600_000;

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
  const asked = query({ source, limit: 1, state });
  const ordered = useOrders(source);
  const running = ordered.orders.filter(isOpen);
  const quarantine = useResource<Quarantine>(`/data/quarantine${asked}`, { every: EVERY });
  const { refresh: again } = quarantine;
  const { refresh: askOrders } = ordered;
  const refresh = useCallback(() => {
    again();
    askOrders();
  }, [again, askOrders]);
  const moved = running.map(({ id, decided }) => `${id}.${decided}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: moved counts are the reason to fetch
  useEffect(() => again(), [quarantined, held, moved, again]);
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
        {(data) => (
          <>
            <Orders
              orders={ordered.orders.filter((one) => !isOpen(one) || !data.reasons.some((cause) => means(one, cause)))}
              refresh={refresh}
            />
            {data.reasons.length === 0 ? (
              <Empty icon="good" title="Nothing waits">
                No record waits for a decision here.
              </Empty>
            ) : (
              <ul className="reason-list">
                {data.reasons.map((reason) => (
                  <Reason
                    key={causeKey(reason)}
                    reason={reason}
                    order={running.find((one) => means(one, reason)) ?? null}
                    refresh={refresh}
                  />
                ))}
              </ul>
            )}
          </>
        )}
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

/** The orders about a source that go on or ended a while ago, for those who may decide. */
function useOrders(source: string): { orders: readonly Order[]; refresh(): void } {
  const current = useStore(session);
  const may = current.status === "signed-in" && current.me.permissions.includes("quarantine:decide");
  const [every, setEvery] = useState(EVERY);
  const path = may ? `/data/quarantine/orders${query({ source, limit: ORDERS })}` : null;
  const { data, meta, refresh } = useResource<Order[]>(path, { every });
  const now = Date.parse(meta?.generated_at ?? "");
  const orders = (data ?? []).filter((one) => one.ended_at === null || now - Date.parse(one.ended_at) < TOLD);
  const going = orders.some(isOpen);
  useEffect(() => {
    setEvery(going ? EVERY_ORDERED : EVERY);
    if (going) refresh();
  }, [going, refresh]);
  return { orders, refresh };
}

interface ReasonProps {
  reason: QuarantineReason;
  /** One that goes on and means these records. */
  order: Order | null;
  refresh(): void;
}

function Reason({ reason, order, refresh }: ReasonProps) {
  const [open, setOpen] = useState(false);
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
        {reason.owners.length > 0 && <> · owned by {reason.owners.map(printable).join(", ")}</>}
      </p>
      <p className="reason-message">{reason.message}</p>
      <p className="reason-foot">
        <span className="muted">last {time.instant(reason.last_at)} UTC</span>
        <button type="button" className="text-button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Hide records" : "Show records"}
        </button>
      </p>
      {open && <Records cause={reason} />}
      <Decide cause={reason} order={order} refresh={refresh} />
    </li>
  );
}
