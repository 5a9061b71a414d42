/** Orders in words: what was ordered, how far it is, and whether a cause is among what it means. */

import type { Order, QuarantineSelection, Verb } from "../api/quarantine";
import type { QuarantineReason } from "../api/types";
import * as number from "../format/number";

const VERBS: Record<Verb, string> = { replay: "Replay", release: "Release", dismiss: "Dismissal", preview: "Preview" };
const DONE: Record<Verb, string> = {
  replay: "replayed",
  release: "released",
  dismiss: "given up",
  preview: "would pass",
};

export function isOpen(order: Order): boolean {
  return order.ended_at === null;
}

/** "Replay of 12,000 records: usage_events, missing, field event". */
export function orderTitle(order: Order): string {
  const what = selectionWords(order.selection);
  return `${VERBS[order.verb]} of ${number.plural(order.selected, "record")}${what === "" ? "" : `: ${what}`}`;
}

function selectionWords({ stream, reason, field, rule, held_by, load }: QuarantineSelection): string {
  const words = [
    stream,
    reason,
    field && `field ${field}`,
    held_by && held_by.length > 0 ? `held by ${held_by.join(", ")}` : rule && `rule ${rule}`,
    load && "a whole load",
  ];
  return words.filter(Boolean).join(", ");
}

/** "4,000 replayed, 12 do not pass". */
export function orderProgress(order: Order): string {
  const done = order.verb === "preview" ? order.passing : order.decided;
  const parts = [`${number.count(done)} ${DONE[order.verb]}`];
  if (order.failing > 0) parts.push(`${number.count(order.failing)} do not pass`);
  const others = order.underway + order.settled;
  if (others > 0) parts.push(`${number.count(others)} others decided about`);
  return parts.join(", ");
}

/** How much of what was meant has been looked at, 0 to 1. */
export function orderShare(order: Order): number {
  if (order.state === "done") return 1;
  return order.selected === 0 ? 0 : Math.min(1, order.matched / order.selected);
}

/** Whether the records of a cause are among those that the order decides about. */
export function means(order: Order, cause: QuarantineReason): boolean {
  if (order.verb === "preview") return false;
  const { held_by, state, ...given } = order.selection;
  const same = Object.entries(given).every(([name, value]) => cause[name as keyof typeof given] === value);
  const held = held_by === undefined || held_by.join("\n") === cause.held_by.join("\n");
  return same && held && (state === undefined || state === cause.state) && (order.verb !== "release" || isHeld(cause));
}

function isHeld(cause: QuarantineReason): boolean {
  return cause.state === "held";
}
