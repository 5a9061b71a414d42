/** The data clock: wall time, or the time of the history that is being replayed. Every answer and every message tells it. */

import type { Meta, Replay, Time } from "../api/types";
import { monotonic, useNow } from "./now";
import { createStore, useStore } from "./store";

interface Told {
  replay: Replay | null;
  generatedAt: Time;
  /** Monotonic seconds. */
  receivedAt: number;
}

export const told = createStore<Told | null>(null);

/**
 * Take note of what an answer tells about the clock; one that was overtaken by a later one tells nothing, nor does one
 * that does not speak of replays while one is known to run.
 */
export function hear(meta: Meta, receivedAt: number = monotonic()): void {
  const before = told.get();
  if (before !== null && Date.parse(meta.generated_at) < Date.parse(before.generatedAt)) return;
  if (meta.replay === undefined && before?.replay) return;
  told.set({ replay: meta.replay ?? null, generatedAt: meta.generated_at, receivedAt });
}

/** The same from the live connection, whose messages speak of now: their `as_of` is the data clock. */
export function hearLive(replay: Replay | null, meta: Meta, receivedAt: number): void {
  const now = replay && { ...replay, data_now: meta.as_of };
  told.set({ replay: now, generatedAt: meta.generated_at, receivedAt });
}

/** Milliseconds of data time, carried on from what was told. */
export function dataTime({ replay, generatedAt, receivedAt }: Told, now: number): number {
  const elapsed = Math.max(0, now - receivedAt) * 1000;
  if (replay === null || replay.finished) return Date.parse(generatedAt) + elapsed;
  return Date.parse(replay.data_now) + elapsed * replay.speed;
}

/** Data seconds in a second of ours. */
export function speedOf(replay: Replay | null | undefined): number {
  return replay && !replay.finished ? replay.speed : 1;
}

export function useReplay(): Replay | null {
  return useStore(told)?.replay ?? null;
}

/** Data time now in milliseconds; null before the first answer. */
export function useDataNow(): number | null {
  const known = useStore(told);
  const now = useNow();
  return known && dataTime(known, now);
}

/** Data time for the ages of streams; null in a replay, where the ages stand as told (see `runningAge`). */
export function useStreamNow(): number | null {
  const now = useDataNow();
  return speedOf(useReplay()) === 1 ? now : null;
}
