/** `/analytics/journeys`, and what each kind answers. */

import type { Time } from "./types";

export type JourneyKind = "funnel" | "retention" | "cohort" | "adoption";
export type Every = "day" | "week";
export type Period = "day" | "week" | "month";

export interface Journey {
  name: string;
  kind: JourneyKind;
  label: string;
  description: string;
  subject: "customer" | "person";
  events: { name: string; label: string; entity: string; where: string | null }[];
  /** From when on received records count; null: all. */
  since: Time | null;
  window_seconds?: number;
  resolution?: "second" | "minute" | "hour" | "day";
  order?: "strict" | "loose";
  breakdown?: { property: string; values: string[] } | null;
  every?: Every;
  brackets?: number;
  counts?: "within" | "from";
  period?: Period;
  metric?: string;
}

export interface Journeys {
  journeys: Journey[];
  unreadable: { metric: string; reason: string }[];
}

interface JourneyAnswer {
  journey: Journey;
  from: string;
  to: string;
  segment: string | null;
  as_of: Time;
  computed_at: Time;
}

export interface FunnelStep {
  name: string;
  label: string;
  count: number;
  of_previous: number | null;
  of_first: number | null;
  seconds_from_previous: number | null;
  seconds_from_first: number | null;
}

export interface FunnelVariant {
  /** Null: another value than those declared. */
  value: string | null;
  steps: FunnelStep[];
  conversion: number | null;
  difference: { value: number; low: number; high: number; clear: boolean } | null;
}

export interface Funnel extends JourneyAnswer {
  steps: FunnelStep[];
  conversion: number | null;
  open: number;
  crossed: number;
  variants: FunnelVariant[];
}

export interface RetainedBracket {
  count: number;
  share: number | null;
  complete: boolean;
}

export interface MeasuredBracket {
  total: number;
  customers: number;
  average: number | null;
  complete: boolean;
}

export interface CohortRow<Bracket> {
  begins: Time;
  size: number;
  brackets: (Bracket | null)[];
}

export interface Retention extends JourneyAnswer {
  cohorts: CohortRow<RetainedBracket>[];
  overall: (RetainedBracket | null)[];
}

export interface Cohorts extends JourneyAnswer {
  cohorts: CohortRow<MeasuredBracket>[];
}

export interface Adoption extends JourneyAnswer {
  periods: { begins: Time; active: number; users: number; share: number | null; complete: boolean }[];
  began: number;
  adopted: number;
  median_days: number | null;
  by_week: (number | null)[];
}
