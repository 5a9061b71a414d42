/** `/data/quality/remedies` and the originals of one. */

import type { Day, Time } from "./types";

export interface RemedyTotal {
  source: string;
  stream: string;
  field: string;
  remedy: string;
  effect: "standardised" | "imputed" | "clipped" | "flagged" | "enriched" | (string & {});
  records: number;
  of: number;
  share: number | null;
  latest: Day;
  /** Whether originals are kept beside the values: of events they are not. */
  kept: boolean;
}

export interface Remedies {
  from: Day;
  to: Day;
  remedies: RemedyTotal[];
  total: number;
}

export interface Original {
  ref: string;
  /** What the customer is called, for those who may know. */
  id: string | null;
  attribute: string;
  from: unknown;
  value: unknown;
  by: string[];
  at: Time;
}

export interface Originals {
  originals: Original[];
}
