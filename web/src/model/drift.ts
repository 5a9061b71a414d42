/** Findings of drift in words, by the day on which each was first seen. */

import type { DriftFinding } from "../api/types";
import { shown } from "../format/text";

export interface DriftDay {
  day: string;
  findings: DriftFinding[];
}

/** The findings by the UTC day of their first record, the latest first; within a day as they came. */
export function byDay(findings: readonly DriftFinding[]): DriftDay[] {
  const days = new Map<string, DriftFinding[]>();
  for (const finding of findings) {
    const day = finding.first_at.slice(0, 10);
    const known = days.get(day);
    if (known) known.push(finding);
    else days.set(day, [finding]);
  }
  return [...days].map(([day, of]) => ({ day, findings: of })).sort((one, other) => (one.day < other.day ? 1 : -1));
}

/** What happened, as a sentence without its field. */
export function sentence({ kind, path, observed, types, evidence }: DriftFinding): string {
  switch (kind) {
    case "new_field":
      if (path === "*") return "keys that are not declared and do not look like names, or too many of them";
      return types.length > 0 ? `is new, ${article(types[0])} ${types.join(" or ")}` : "is new";
    case "missing_field":
      return evidence.required === true ? "is missing, and required" : "no longer comes";
    case "type_change":
      return evidence.read === true ? `comes as ${observed} now, and is read` : `comes as ${observed}`;
    case "enum_growth":
      return observed === "" ? "has a value that is not allowed" : `has the value ${shown(observed)}`;
    case "rename":
      return `is probably ${shown(observed)} renamed${overlap(evidence)}`;
    default:
      return kind.replaceAll("_", " ");
  }
}

function article(word = ""): string {
  return /^[aeiou]/.test(word) ? "an" : "a";
}

function overlap(evidence: DriftFinding["evidence"]): string {
  const share = evidence.overlap;
  const compared = evidence.compared;
  return typeof share === "number" && typeof compared === "number" && compared > 0
    ? `: ${Math.round(share * 100)}\u2009% of ${compared} values are the same`
    : "";
}

/** What became of the records, where a policy decided; null where nothing did. */
export function outcome({ kind, policy, discarded, evidence }: DriftFinding): string | null {
  if (policy === null || kind === "rename" || evidence.read === true) return null;
  if (kind === "missing_field" && evidence.required !== true) return null;
  const passes = policy === "evolve" && (kind === "new_field" || kind === "enum_growth");
  if (passes) return "in effect";
  if (policy === "discard_value") return kind === "new_field" ? "in effect" : "in effect, without the value";
  if (policy === "discard_row") return discarded > 0 ? "discarded" : "to be discarded";
  return policy === "freeze" ? "quarantine, frozen" : "quarantine";
}
