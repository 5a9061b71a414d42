/** `/data/quality/metrics` and `/data/quality/impact`. */

import type { Day, Time } from "./types";

export interface Ratio {
  value: number | null;
  good: number;
  of: number;
}

/** Words the API may extend. */
export type Dimension =
  | "completeness"
  | "validity"
  | "consistency"
  | "uniqueness"
  | "timeliness"
  | "accuracy"
  | (string & {});
export type QualityGrade = "good" | "fair" | "poor" | "none" | (string & {});

/** From `low` to `high`. */
export interface Interval {
  low: number;
  high: number;
}

/** By what something was measured that no check of a record says. */
export interface Measurement extends Ratio {
  source: string;
  stream: string;
  method: "agreement" | "sample" | "unique" | (string & {});
  name: string;
  measured_at: Time;
  interval: Interval | null;
}

export interface QualityScore extends Ratio {
  /** Of the last seven received days, of the seven before, and the difference. */
  recent: number | null;
  before: number | null;
  change: number | null;
  objective: number | null;
  breached: boolean | null;
  /** In which the share lies with 95 % confidence; null of what was counted of every record. */
  interval: Interval | null;
  measured: Measurement[];
}

/** One received day; beside what is named here a share or null by dimension. */
export interface QualityDay {
  day: Day;
  records: number;
  breached: boolean;
  [dimension: string]: number | string | boolean | null;
}

export interface Quality {
  grade: QualityGrade;
  worst: Dimension | null;
  scores: Partial<Record<string, QualityScore>>;
  /** Why a dimension has no score. */
  unmeasured: Partial<Record<string, string>>;
  days: QualityDay[];
}

export interface FieldQuality extends Quality {
  source: string;
  stream: string;
  field: string;
  required: boolean;
  checked: number;
}

export interface Breach {
  source: string;
  stream: string;
  field: string;
  day: Day;
  dimension: Dimension;
  value: number;
  objective: number;
  seen_at: Time;
}

export interface StreamQuality extends Quality {
  source: string;
  stream: string;
  records: number;
  completeness: Ratio;
  validity: Ratio;
  freshness: { seconds: number | null; objective_seconds: number | null; met: boolean | null };
}

export interface QualityMetrics {
  from: Day;
  to: Day;
  objectives: { completeness: number; accuracy: number; least_records: number };
  overall: Quality;
  streams: StreamQuality[];
  fields: FieldQuality[];
  fields_total: number;
  breaches: Breach[];
}

/** What rests on records that wait in quarantine, and on fields that lack values. */
export interface StreamImpact {
  source: string;
  stream: string;
  quarantined: number;
  customers: number;
  unattributed: number;
  metrics: string[];
  components: string[];
  attributes: string[];
  fields: { field: string; missing: number; checked: number; uses: { kind: string; name: string }[] }[];
}

/** A value, of which nothing is said, that `n` entities have. */
export interface SharedValue {
  source: string;
  stream: string;
  field: string;
  n: number;
  at: Time;
  /** Some of them. */
  refs: string[];
  /** What customers are called, for those who may know. */
  ids: (string | null)[];
}

/** `/data/quality/uniqueness`. */
export interface SharedValues {
  shared: SharedValue[];
  total: number;
}

export interface QualityImpact {
  from: Day;
  to: Day;
  customers: number;
  scored: number;
  known: number;
  metrics: string[];
  components: string[];
  attributes: string[];
  streams: StreamImpact[];
}
