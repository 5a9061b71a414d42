/** `/data/quality/agreements` and one of them. */

import type { Interval, Ratio } from "./quality";
import type { Day, Time } from "./types";

export interface Agreed extends Ratio {
  /** In which the share lies with 95 % confidence. */
  interval: Interval | null;
}

export interface AgreementSide {
  source: string;
  stream: string;
  /** The attribute it matches by, or `key`. */
  by: string;
}

export interface SideCounts {
  total: number;
  matched: number;
  only: number;
  ambiguous: number;
  unkeyed: number;
  unsettled: number;
}

export interface ComparedPair extends Agreed {
  left: string;
  right: string;
  agreeing: number;
  differing: number;
  missing_left: number;
  missing_right: number;
}

export interface Agreement {
  name: string;
  label: string;
  description: string;
  version: number;
  left: AgreementSide;
  right: AgreementSide;
  truth: "left" | "right" | "neither" | (string & {});
  settle_seconds: number;
  /** Why it is not compared. */
  problem: string | null;
  latest:
    | (Agreed & {
        at: Time;
        version: number;
        matched: number;
        ambiguous: number;
        left: SideCounts;
        right: SideCounts;
        compared: ComparedPair[];
      })
    | null;
  days: (Agreed & { day: Day; at: Time })[];
}

export interface Agreements {
  from: Day;
  to: Day;
  agreements: Agreement[];
}

export interface Difference {
  kind: "differing" | "missing_left" | "missing_right" | "only_left" | "only_right" | "ambiguous" | (string & {});
  attributes: { left: string; right: string } | null;
  left: string | null;
  right: string | null;
  /** What customers are called, for those who may know. */
  left_id: string | null;
  right_id: string | null;
  left_value: string | null;
  right_value: string | null;
  changed_at: Time;
}

export interface AgreementDetail extends Agreement {
  differences: Difference[];
  differences_total: number;
}
