/** Agreements in words. */

import type { Agreed, Agreement, Difference, SideCounts } from "../api/agreements";
import * as number from "../format/number";

/** What is held beside what: "crm.accounts beside billing.customers". */
export function sidesLine({ left, right }: Agreement): string {
  return `${left.source}.${left.stream} beside ${right.source}.${right.stream}`;
}

/** Who is right when they differ. */
export function truthLine(one: Agreement): string {
  if (one.truth === "neither") return "neither is held to be the truth";
  const side = one.truth === "left" ? one.left : one.right;
  return `${side.source} is held to be the truth`;
}

/** Where the share lies, and of how many: "94.9 % to 97.8 %, of 1,000". */
export function intervalLine({ interval, of }: Agreed): string {
  if (interval === null) return "nothing to compare";
  return `${number.share(interval.low)} to ${number.share(interval.high)}, of ${number.count(of)}`;
}

/** What was not compared of a side, the most first; null when all of it was. */
export function leftOut(side: SideCounts): string | null {
  const parts: [number, string][] = [
    [side.only, "on this side only"],
    [side.ambiguous, "with a key that is not theirs alone"],
    [side.unkeyed, "without a key"],
    [side.unsettled, "changed too lately"],
  ];
  const told = parts.filter(([count]) => count > 0).sort(([a], [b]) => b - a);
  return told.length === 0 ? null : told.map(([count, words]) => `${number.count(count)} ${words}`).join(", ");
}

/** What is wrong with an entity. */
export function differenceLine(one: Difference, { left, right }: Agreement): string {
  const names = one.attributes;
  const attributes = names === null ? "" : names.left === names.right ? names.left : `${names.left} / ${names.right}`;
  switch (one.kind) {
    case "differing":
      return attributes;
    case "missing_left":
      return `${attributes}: missing in ${left.source}`;
    case "missing_right":
      return `${attributes}: missing in ${right.source}`;
    case "only_left":
      return `only in ${left.source}`;
    case "only_right":
      return `only in ${right.source}`;
    case "ambiguous":
      return "several have its key";
    default:
      return one.kind.replaceAll("_", " ");
  }
}

/** The two values, where they may be shown. */
export function valuesLine(one: Difference): string | null {
  if (one.kind !== "differing") return null;
  if (one.left_value === null && one.right_value === null) return "personal, not shown";
  return `${one.left_value ?? number.NOTHING} ≠ ${one.right_value ?? number.NOTHING}`;
}
