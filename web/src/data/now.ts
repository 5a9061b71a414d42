/** Monotonic seconds, ticking once a second for everything that shows an age, and resting while nobody looks. */

import { useSyncExternalStore } from "react";

export function monotonic(): number {
  return performance.now() / 1000;
}

const listeners = new Set<() => void>();
let current = typeof performance === "undefined" ? 0 : monotonic();
let timer: ReturnType<typeof setInterval> | null = null;

function tick(): void {
  if (document.hidden) return;
  current = monotonic();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === null) {
    timer = setInterval(tick, 1000);
    document.addEventListener("visibilitychange", tick);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
      document.removeEventListener("visibilitychange", tick);
    }
  };
}

export function useNow(): number {
  return useSyncExternalStore(
    subscribe,
    () => current,
    () => 0,
  );
}
