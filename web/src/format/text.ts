/** Text of others. */

/** Marks that turn the reading direction, or cannot be seen: a name must not rearrange what stands around it. */
const UNSEEN = /[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/gu;

/** A name as it may be shown. What React writes is text anyway; this is about what the eye is told. */
export function shown(name: string): string {
  return name.replace(UNSEEN, "");
}
