import type { FieldQuality, Quality, QualityMetrics, QualityScore } from "../../src/api/quality";

export const score = (good: number, of: number, more: Partial<QualityScore> = {}): QualityScore => ({
  value: of === 0 ? null : good / of,
  good,
  of,
  recent: null,
  before: null,
  change: null,
  objective: null,
  breached: null,
  interval: null,
  measured: [],
  ...more,
});

export const quality = (more: Partial<Quality> = {}): Quality => ({
  grade: "good",
  worst: null,
  scores: {},
  unmeasured: {},
  days: [],
  ...more,
});

export const field = (name: string, more: Partial<FieldQuality> = {}): FieldQuality => ({
  ...quality(),
  source: "shop",
  stream: "orders",
  field: name,
  required: true,
  checked: 1000,
  ...more,
});

export const metrics = (more: Partial<QualityMetrics> = {}): QualityMetrics => ({
  from: "2026-01-01",
  to: "2026-01-15",
  objectives: { completeness: 0.95, accuracy: 0.99, least_records: 20 },
  overall: quality(),
  streams: [],
  fields: [],
  fields_total: 0,
  breaches: [],
  ...more,
});
