/** How old what is shown is, in seconds of the person who looks. */

import type { Meta } from "../api/types";
import { speedOf, told } from "./clock";

export interface Vintage {
  meta: Meta | null;
  /** Monotonic seconds at which `meta` was received; null: not yet. */
  receivedAt: number | null;
}

/**
 * Freshness is told on the data clock; in a replay many data seconds pass in one of ours, so it is divided by its speed.
 * Without any input the age is that of the answer.
 */
export function ageSeconds({ meta, receivedAt }: Vintage, now: number): number | null {
  if (meta === null || receivedAt === null) return null;
  return (
    Math.max(0, now - receivedAt) +
    Math.max(0, meta.freshness_seconds ?? 0) / speedOf(meta.replay === undefined ? told.get()?.replay : meta.replay)
  );
}

/**
 * The age of a stream's newest record, running on between messages.
 *
 * `now` is data time, or null where the age told with the message is to stand: in a fast replay a second of ours is hours of
 * data, and an age that ran on would show the gap between two messages and not the pipeline.
 */
export function runningAge(
  newestAt: string | null | undefined,
  seconds: number | null,
  now: number | null,
): number | null {
  if (newestAt == null || now === null) return seconds;
  return Math.max(0, (now - Date.parse(newestAt)) / 1000);
}
