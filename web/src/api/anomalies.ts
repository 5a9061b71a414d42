/** `/data/quality/anomalies`. */

import type { Day, Time } from "./types";

export interface Anomaly {
  signal: string;
  source: string;
  stream: string;
  /** Of a field or metric. */
  name: string;
  at: Time;
  tier: "warn" | "error";
  value: number;
  expected: number;
  low: number;
  high: number;
  /** In usual distances. */
  deviation: number;
  seen_at: Time;
  ended_at: Time | null;
  muted: boolean;
}

export interface Mute {
  id: string;
  until: Time;
  why: string;
  author: string;
  signal: string | null;
  source: string | null;
  stream: string | null;
  name: string | null;
}

export interface FoundAnomalies {
  from: Day;
  to: Day;
  anomalies: Anomaly[];
  mutes: Mute[];
}
