/** Remedies in words. */

import type { RemedyTotal } from "../api/remedies";
import * as number from "../format/number";

/** What became of the values, and of how many. */
export function remedyLine({ effect, records, of, share }: RemedyTotal): string {
  const many = share === null ? "" : `, ${number.share(share)} of ${number.count(of)} checked`;
  return `${number.count(records)} ${effect}${many}`;
}

/** A value as it is written: white space at its ends would not be seen without quotes. */
export function written(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  return typeof value === "string" ? `"${value}"` : JSON.stringify(value);
}
