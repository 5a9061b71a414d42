/** Seconds to wait before the n-th attempt (0 first): doubling with full jitter, so that clients of a restarted server spread. */

const FIRST = 0.5;
const MOST = 15;

export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MOST, FIRST * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + (ceiling / 2) * random();
}
