/** received = accepted + duplicate + quarantined + held + discarded + pending, added up here and not taken on trust. */

import type { Terms } from "../api/types";

export const TERMS = ["accepted", "duplicate", "quarantined", "held", "discarded", "pending"] as const;
export type Term = (typeof TERMS)[number];

export const TERM_LABELS: Record<Term, string> = {
  accepted: "accepted",
  duplicate: "duplicate",
  quarantined: "quarantined",
  held: "held",
  discarded: "discarded",
  pending: "pending",
};

export const TERM_HELP: Record<Term, string> = {
  accepted: "took effect exactly once",
  duplicate: "repeats of an accepted record",
  quarantined: "set aside with a reason; can be fixed and replayed",
  held: "waiting for somebody to say that they are right",
  discarded: "let go, as their contract says",
  pending: "acknowledged and durable, not yet in effect",
};

export interface Conservation {
  received: number;
  sum: number;
  /** sum minus received: records counted twice (positive) or lost from sight (negative). */
  difference: number;
  balanced: boolean;
}

export function conservation(terms: Terms): Conservation {
  const sum = TERMS.reduce((total, term) => total + terms[term], 0);
  const difference = sum - terms.received;
  return { received: terms.received, sum, difference, balanced: terms.balanced && difference === 0 };
}

/** Widths of the terms' segments in percent; a term with records never vanishes. Adds up to 100 unless all are 0. */
export function segments(terms: Terms, least = 0.6): { term: Term; percent: number }[] {
  const shown = TERMS.filter((term) => terms[term] > 0);
  const total = shown.reduce((sum, term) => sum + terms[term], 0);
  if (total === 0) return [];
  const raised = shown.map((term) => ({ term, percent: Math.max(least, (100 * terms[term]) / total) }));
  const width = raised.reduce((sum, segment) => sum + segment.percent, 0);
  return raised.map(({ term, percent }) => ({ term, percent: (100 * percent) / width }));
}
