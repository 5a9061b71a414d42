/** What the API answers, as `docs/specs/api-shapes.md` says. Times are RFC 3339 UTC, durations seconds. */

export type Time = string;
export type Day = string;

/** Words the API may extend; unknown ones are shown as they are. */
export type Grade = "fresh" | "partial" | "stale" | "historical" | "none" | (string & {});

export interface Meta {
  generated_at: Time;
  as_of: Time;
  /** The age of the stream that has used up most of its freshness objective. */
  freshness_seconds: number | null;
  /** Which stream that is, and its objective. */
  freshness_of?: string | null;
  freshness_objective_seconds?: number | null;
  grade: Grade;
  missing: string[];
  /** Null: data time is wall time. Absent: not told here. */
  replay?: Replay | null;
  next_cursor: string | null;
}

export interface Envelope<T> {
  data: T;
  meta: Meta;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  hint?: string;
  errors?: { field: string; reason: string; hint?: string }[];
}

export interface Me {
  name: string;
  role: "admin" | "engineer" | "analyst" | "viewer" | "ingest" | (string & {});
  csrf: string;
  permissions: string[];
  expires_at: Time;
}

// Data

export interface Terms {
  received: number;
  accepted: number;
  duplicate: number;
  quarantined: number;
  held: number;
  discarded: number;
  pending: number;
  refused: number;
  balanced: boolean;
}

export interface SourceSummary {
  source: string;
  label: string;
  streams: number;
  received: number;
  accepted: number;
  pending: number;
  quarantined: number;
  held: number;
  balanced: boolean;
  lag: number;
  /** Data time of the newest record or heartbeat. */
  newest_at?: Time | null;
  freshness_seconds: number | null;
  /** The stream that has used up most of its objective: age and objective are its. */
  freshness_of?: string | null;
  objective_seconds?: number | null;
  grade: Grade;
  last_received_at: Time | null;
}

export interface StreamStatus extends Terms {
  stream: string;
  contract_version: number;
  lag: number;
  /** Data time of the newest record or heartbeat. */
  newest_at?: Time | null;
  freshness_seconds: number | null;
  objective_seconds: number | null;
  grade: Grade;
  last_received_at: Time | null;
  last_occurred_at: Time | null;
  complete_until: Time | null;
}

export interface DayStatus extends Terms {
  day: Day;
}

export interface SourceStatus extends Terms {
  source: string;
  label: string;
  lag: number;
  /** Data time of the newest record or heartbeat. */
  newest_at?: Time | null;
  freshness_seconds: number | null;
  /** The stream that has used up most of its objective: age and objective are its. */
  freshness_of?: string | null;
  objective_seconds?: number | null;
  grade: Grade;
  last_received_at: Time | null;
  streams: StreamStatus[];
  days: DayStatus[];
  refusals: { reason: string; count: number }[];
}

export interface DriftFinding {
  source: string;
  stream: string;
  contract_version: number;
  kind: string;
  path: string;
  observed: string;
  types: string[];
  first_at: Time;
  last_at: Time | null;
  known_at: Time;
  records: number | null;
  discarded: number;
  policy: string | null;
  in_force: boolean;
  /** Of what is shown here; the spec has all of it. */
  evidence: { required?: boolean; read?: boolean; overlap?: number; compared?: number };
}

export interface DriftFindings {
  findings: DriftFinding[];
}

export interface QuarantineReason {
  source: string;
  stream: string;
  reason: string;
  field: string | null;
  rule: string | null;
  state: "quarantined" | "held";
  /** The checks that hold them; none of what is quarantined. */
  held_by: string[];
  /** The load that they came with, where that is held as a whole. */
  load: string | null;
  contract_version: number;
  message: string;
  count: number;
  first_at: Time;
  last_at: Time;
  /** Whom the contract in force names as the stream's owners. */
  owners: string[];
}

export interface QuarantineRow {
  id: string;
  source: string;
  stream: string;
  reason: string;
  field: string | null;
  rule: string | null;
  message: string;
  contract_version: number;
  received_at: Time;
  state: "quarantined" | "held";
  held_by: string[];
  load: string | null;
  place: { epoch: number; partition: number; lane: "live" | "bulk"; position: number; index: number };
}

/** What became of quarantined or held records, or would become of them. */
export interface QuarantineOutcome {
  matched: number;
  passing: number;
  decided: number;
  underway: number;
  settled: number;
  failing: number;
  failures: { reason: string; field: string | null; rule: string | null; message: string; count: number }[];
}

export interface Quarantine {
  total: number;
  reasons: QuarantineReason[];
  rows: QuarantineRow[];
}

// Analytics

export interface Band {
  band: string;
  label: string;
  low: number;
  high: number;
}

export interface Model {
  name: string;
  label: string;
  version: number;
  /** Worst first. */
  bands: Band[];
}

export interface Replay {
  name: string;
  origin: Time;
  started: Time;
  speed: number;
  data_now: Time;
  finished: boolean;
}

export interface Counts {
  customers: number;
  scored: number;
  sources: number;
  streams: number;
  received: number;
  accepted: number;
  pending: number;
  quarantined: number;
  held: number;
}

export interface Average {
  score: number | null;
  previous: number | null;
}

export interface BandCount {
  band: string;
  count: number;
  previous: number | null;
}

export interface Bin {
  low: number;
  high: number;
  count: number;
}

export interface Mover {
  customer_id: string;
  name: string | null;
  segment: string | null;
  score: number;
  previous: number;
  change: number;
  band: string;
  grade: Grade;
  reason: string | null;
}

export interface Movers {
  days: number;
  up: Mover[];
  down: Mover[];
}

export interface Throughput {
  per_second: number;
  step_seconds: number;
  points: { at: Time; value: number }[];
}

export interface StreamFreshness {
  source: string;
  stream: string;
  newest_at?: Time | null;
  seconds: number | null;
  objective_seconds: number | null;
  grade: Grade;
  last_received_at: Time | null;
}

/** The part of the overview that scores move. */
export interface ScoreSummary {
  average: Average;
  distribution: BandCount[];
  histogram: Bin[];
  movers: Movers;
}

export interface Overview extends ScoreSummary {
  counts: Counts;
  balanced: boolean;
  model: Model | null;
  throughput: Throughput;
  freshness: StreamFreshness[];
  replay: Replay | null;
}

export interface CustomerRow {
  customer_id: string;
  name: string | null;
  segment: string | null;
  source: string;
  score: number | null;
  band: string | null;
  grade: Grade;
  as_of: Time | null;
  change: number | null;
  trend: (number | null)[];
  last_activity_at: Time | null;
  reason: string | null;
}

export interface Customers {
  total: number;
  bands: Band[];
  segments: string[];
  sources: string[];
  rows: CustomerRow[];
}

export interface Contribution {
  component: string;
  label: string;
  points: number;
  weight: number;
  reason: string;
  input: { value: number | null; unit: string; age_seconds: number | null; grade: Grade; left_out: number };
}

export interface HistoryPoint {
  at: Time;
  score: number;
  band: string;
  grade: Grade;
}

export interface TimelineEntry {
  at: Time;
  kind: "event" | "milestone" | "score" | "correction" | "entity" | (string & {});
  title: string;
  detail: string | null;
  source: string | null;
  stream: string | null;
  quantity: number | null;
  properties: Record<string, unknown> | null;
  properties_left_out: boolean;
}

export interface CustomerFacts {
  id: string;
  ref: string;
  source: string;
  name: string | null;
  segment: string | null;
  plan: string | null;
  region: string | null;
  started_at: Time | null;
  churned_at: Time | null;
}

export interface CustomerHealth {
  customer: CustomerFacts;
  score: number | null;
  band: string | null;
  grade: Grade;
  as_of: Time;
  known_at: Time;
  computed_at: Time | null;
  change: number | null;
  model: Model | null;
  contributions: Contribution[];
  history: HistoryPoint[];
  timeline: TimelineEntry[];
}

export type Timeframe = "24h" | "7d" | "30d" | "90d" | "12m";
export type Granularity = "hour" | "day" | "week" | "month";

export interface TrendPoint {
  at: Time;
  value: number;
  closed: boolean;
}

export interface UsageTrend {
  metric: string;
  label: string;
  unit: string;
  timeframe: Timeframe;
  granularity: Granularity;
  points: TrendPoint[];
  total: number;
  previous_total: number | null;
  /** Of a gauge that is being filled, the share so far; it has no values until then. */
  filling: number | null;
  available: { metric: string; label: string; unit: string }[];
  unreadable: { metric: string; reason: string }[];
}

// Live

export type LiveMessage<Data, Change> =
  | { type: "snapshot"; token: string; meta: Meta; data: Data }
  | { type: "delta"; token: string; meta: Meta; changes: Change[] }
  | { type: "reset"; reason: string }
  | { type: "ping"; at: Time };

export interface LiveMetrics {
  throughput: Throughput;
  freshness: StreamFreshness[];
  sources: SourceSummary[];
  counts: Counts;
  balanced: boolean;
  replay: Replay | null;
}

export type LiveMetricsChange =
  | { kind: "throughput"; value: { at: Time; value: number } }
  | { kind: "freshness"; value: StreamFreshness }
  | { kind: "source"; value: SourceSummary }
  | { kind: "counts"; value: Counts & { balanced: boolean } }
  | { kind: "replay"; value: Replay | null };

export interface LiveScore {
  customer_id: string;
  score: number;
  band: string;
  grade: Grade;
  as_of: Time;
  change: number | null;
}

export interface LiveScores extends Partial<ScoreSummary> {
  model?: Model | null;
  scores: LiveScore[];
}

export type LiveScoresChange =
  | { kind: "score"; value: LiveScore }
  | { kind: "touched"; value: { customer_id: string; at: Time } }
  | { kind: "summary"; value: ScoreSummary };
