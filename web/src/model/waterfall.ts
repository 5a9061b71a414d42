/** From contributions to the steps of a waterfall that ends exactly at the score. */

import type { Contribution } from "../api/types";
import { fromHundredths, toHundredths } from "./hundredths";

export interface Step {
  contribution: Contribution;
  /** Where the bar starts and ends on the scale of 0 to 100. */
  from: number;
  to: number;
  /** Where it would have ended with every point of its weight. */
  reach: number;
  /** Points not reached: weight minus points. */
  lost: number;
}

export interface Waterfall {
  steps: Step[];
  total: number;
  /** total minus score; anything but 0 is the server's fault, and is shown. */
  difference: number;
}

export function waterfall(contributions: readonly Contribution[], score: number | null): Waterfall {
  let at = 0;
  const steps = contributions.map((contribution): Step => {
    const points = toHundredths(contribution.points);
    const weight = toHundredths(contribution.weight);
    const from = at;
    at += points;
    return {
      contribution,
      from: fromHundredths(from),
      to: fromHundredths(at),
      reach: fromHundredths(from + Math.max(weight, points)),
      lost: fromHundredths(Math.max(0, weight - points)),
    };
  });
  return {
    steps,
    total: fromHundredths(at),
    difference: score === null ? 0 : fromHundredths(at - toHundredths(score)),
  };
}
