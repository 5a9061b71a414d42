/** Sentences about a score, made of the contributions' own reasons. */

import type { CustomerHealth } from "../api/types";
import * as number from "../format/number";
import { bandLook } from "./bands";
import { type Step, waterfall } from "./waterfall";

export interface Explanation {
  headline: string;
  /** Largest loss first: what would lift the score most. */
  against: Step[];
  /** Largest gain first: components at 70 % of their weight or more. */
  inFavour: Step[];
}

/** A component counts as carrying the score from this part of its weight on. */
const CARRIES = 0.7;

export function explain(health: CustomerHealth): Explanation {
  if (health.score === null) {
    return { headline: "This customer is known, but no score has been computed yet.", against: [], inFavour: [] };
  }
  const { steps } = waterfall(health.contributions, health.score);
  const carries = (step: Step) =>
    step.contribution.weight > 0 && step.contribution.points / step.contribution.weight >= CARRIES;
  const against = steps.filter((step) => step.lost > 0 && !carries(step)).sort((a, b) => b.lost - a.lost);
  const inFavour = steps.filter(carries).sort((a, b) => b.contribution.points - a.contribution.points);

  const band = bandLook(health.band, health.model?.bands).label.toLowerCase();
  const parts = [`${number.score(health.score)} of 100 is ${band}`];
  if (health.change !== null) parts.push(movement(health.change));
  const worst = against[0];
  let headline = `${parts.join(", ")}.`;
  if (worst) {
    headline += ` Most is lost on ${lower(worst.contribution.label)}: ${number.points(worst.lost)} of ${number.measure(worst.contribution.weight)} points.`;
  } else if (steps.length > 0) {
    headline += " No component loses much.";
  }
  return { headline, against, inFavour };
}

function movement(change: number): string {
  if (Math.abs(change) < 0.05) return "unchanged over 7 days";
  return `${change > 0 ? "up" : "down"} ${number.change(change).slice(1)} in 7 days`;
}

function lower(label: string): string {
  return /^[A-Z][a-z]/.test(label) ? label.charAt(0).toLowerCase() + label.slice(1) : label;
}
