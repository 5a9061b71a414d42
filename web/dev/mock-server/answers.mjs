/** What each address answers. */

import { Ledger } from "./ledger.mjs";
import {
  BANDS,
  bandOf,
  contributionsAt,
  createWorld,
  DAY,
  eventsOf,
  iso,
  lastActivityDays,
  MODEL,
  moveReason,
  scoreAt,
  topReason,
} from "./world.mjs";

const SPEED = 7200;
const HOSTILE = [
  '<img src=x onerror="document.title=1">',
  "A".repeat(90),
  "\u202Eevil\u202C name",
  "Łódź Żółć 株式会社 🦊",
  "'; DROP TABLE customers; --",
];

function propertiesOf(named, i) {
  return named ? { plan: "team", via: i % 2 ? "menu" : "shortcut" } : null;
}

export class NotFound extends Error {}

/** Shares that are wrong, by dimension. */
const WHOLE_RECORDS = { completeness: 0.061, validity: 0.012, consistency: 0, uniqueness: 0.0004, timeliness: 0.083 };
const FIELDS = [
  { field: "person_id", required: true, bad: [0.059, 0] },
  { field: "occurred_at", required: true, bad: [0.002, 0.011] },
  { field: "customer_id", required: true, bad: [0, 0] },
  { field: "page", required: false, bad: [0.4, 0.001] },
];
const SIDE = { total: 4120, matched: 3950, only: 102, ambiguous: 12, unkeyed: 31, unsettled: 25 };
const agreed = (good, of, low, high) => ({ value: good / of, good, of, interval: { low, high } });
const pair = (left, right, differing, missing, low, high) => ({
  left,
  right,
  agreeing: 3950 - differing - missing,
  differing,
  missing_left: 0,
  missing_right: missing,
  ...agreed(3950 - differing - missing, 3950 - missing, low, high),
});
const AGREEMENTS = [
  {
    name: "crm_and_billing",
    label: "CRM and billing",
    description: "What sales believes a customer has, beside what it pays for.",
    version: 2,
    severity: "warn",
    left: { source: "crm", stream: "accounts", by: "email" },
    right: { source: "webshop", stream: "customers", by: "contact" },
    truth: "right",
    settle_seconds: 3600,
    problem: null,
    latest: {
      at: "2026-01-15T11:45:00Z",
      version: 2,
      ...agreed(3801, 3950, 0.956, 0.968),
      matched: 3950,
      ambiguous: 5,
      left: SIDE,
      right: { ...SIDE, total: 3981, only: 12, ambiguous: 6, unkeyed: 0, unsettled: 13 },
      compared: [
        pair("plan", "tier", 131, 4, 0.961, 0.972),
        pair("seats", "places", 18, 0, 0.993, 0.997),
        pair("name", "name", 0, 2, 0.999, 1),
      ],
    },
    days: [0.931, 0.935, 0.934, 0.942, 0.951, 0.958, 0.9623].map((value, n) => ({
      day: `2026-01-${String(9 + n).padStart(2, "0")}`,
      at: `2026-01-${String(9 + n).padStart(2, "0")}T23:45:00Z`,
      ...agreed(Math.round(3950 * value), 3950, value - 0.006, value + 0.006),
      value,
    })),
  },
  {
    name: "support_and_crm",
    label: "Support and CRM",
    description: "",
    version: 1,
    severity: "warn",
    left: { source: "support", stream: "organisations", by: "key" },
    right: { source: "crm", stream: "accounts", by: "support_id" },
    truth: "neither",
    settle_seconds: 0,
    problem: "agreement support_and_crm: right: No contract is in force for crm.accounts.",
    latest: null,
    days: [],
  },
];
const DIFFERENCES = [
  ["differing", "plan", "tier", "enterprise", "professional"],
  ["differing", "plan", "tier", "trial", "enterprise"],
  ["differing", "name", "name", null, null],
  ["missing_right", "plan", "tier", "trial", null],
  ["only_left", null, null, null, null],
  ["ambiguous", null, null, null, null],
].map(([kind, left, right, one, other], n) => ({
  kind,
  attributes: left && { left, right },
  left: `${n}f3c9a0d51b24e6f8a7c0d9e2b4f6a81`,
  right: kind === "only_left" ? null : `${n}a81bc0d51b24e6f8a7c0d9e2b4f6a81`,
  left_id: `crm:A-${1000 + n}`,
  right_id: kind === "only_left" ? null : `webshop:acct-${4000 + n}`,
  left_value: one,
  right_value: other,
  changed_at: `2026-01-1${5 - Math.min(n, 5)}T09:3${n}:00Z`,
}));
const NO_QUALITY = { grade: "none", worst: null, scores: {}, unmeasured: {}, days: [] };

function qualityDays(from) {
  const last = Date.now();
  const days = [];
  for (let at = from === null ? last - 27 * 86_400_000 : Date.parse(from); at <= last; at += 86_400_000)
    days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

/** Scores of these shares of wrong ones, and days that sway around them. */
function scored(bad, days, required) {
  const scores = {};
  for (const [name, share] of Object.entries(bad)) {
    const value = 1 - share;
    const objective = name === "completeness" && required ? 0.95 : null;
    scores[name] = {
      value,
      good: Math.round(120_400 * value),
      of: 120_400,
      recent: value - share / 8,
      before: value,
      change: -share / 8,
      objective,
      breached: objective === null ? null : value < objective,
      interval: null,
      measured: [],
    };
  }
  const asked = Object.entries(scores).filter(([name]) => required || name !== "completeness");
  const [worst, least] = asked.reduce((a, b) => (b[1].value < a[1].value ? b : a));
  const poor = least.value < 0.9 || asked.some(([, score]) => score.breached);
  const grade = poor ? "poor" : least.value < 0.99 ? "fair" : "good";
  return {
    grade,
    worst,
    scores,
    unmeasured: { accuracy: "Whether values are true is only ever stated against a truth." },
    days: days.map((day, n) => ({
      day,
      records: 4300,
      breached: false,
      ...Object.fromEntries(
        Object.entries(bad).map(([name, share]) => [name, 1 - share * (0.6 + 0.5 * Math.abs(Math.sin(n)))]),
      ),
    })),
  };
}

export class Answers {
  constructor(faults) {
    this.faults = faults;
    this.world = createWorld();
    this.ledger = new Ledger();
    this.points = [];
    for (let i = 150; i > 0; i--)
      this.points.push({
        at: iso(Date.now() - i * 2000),
        value: this.ledger.pace(this.world.random),
      });
  }

  get dataNow() {
    if (this.faults.has("finished") || this.faults.has("wall")) return Date.now();
    return Math.min(Date.now(), this.world.started - 30 * DAY + (Date.now() - this.world.started) * SPEED);
  }

  get options() {
    return { stale: this.faults.has("stale"), unbalanced: this.faults.has("unbalanced"), dataNow: this.dataNow };
  }

  meta(extra = {}) {
    const stale = this.faults.has("stale");
    return {
      generated_at: iso(Date.now()),
      as_of: iso(this.dataNow),
      freshness_seconds: this.faults.has("empty") ? null : this.replay()?.finished === false ? 2.4 * SPEED * 0.6 : 1.2,
      freshness_of: this.faults.has("empty") ? null : stale ? "oulad.assessments" : "oulad.vle_clicks",
      freshness_objective_seconds: this.faults.has("empty") ? null : 86_400,
      grade: this.faults.has("empty") ? "none" : stale ? "stale" : "fresh",
      missing: stale ? [`oulad.assessments: no data since ${iso(this.dataNow - 9.4 * DAY)}`] : [],
      replay: this.replay(),
      next_cursor: null,
      ...extra,
    };
  }

  replay() {
    if (this.faults.has("wall") || this.faults.has("empty")) return null;
    const finished = this.faults.has("finished") || this.dataNow >= Date.now() - 1000;
    return {
      name: "oulad",
      origin: iso(this.world.started - 240 * DAY),
      started: iso(this.world.started),
      speed: SPEED,
      data_now: iso(this.dataNow),
      finished,
    };
  }

  customers() {
    return this.faults.has("empty") ? [] : this.world.customers;
  }

  name(c) {
    return this.faults.has("hostile") ? HOSTILE[c.index % HOSTILE.length] : c.name;
  }

  score(c) {
    const score = scoreAt(c, 0);
    return {
      customer_id: c.id,
      score,
      band: bandOf(score),
      grade: this.meta().grade,
      as_of: iso(this.dataNow),
      change: Math.round((score - scoreAt(c, 7)) * 100) / 100,
    };
  }

  summary() {
    const scored = this.faults.has("no_model")
      ? []
      : this.customers().map((c) => ({ c, now: scoreAt(c, 0), before: scoreAt(c, 7) }));
    const mean = (key) =>
      scored.length ? Math.round((100 * scored.reduce((sum, s) => sum + s[key], 0)) / scored.length) / 100 : null;
    const count = (key, band) => scored.filter((s) => bandOf(s[key]) === band).length;
    const movers = scored
      .map(({ c, now, before }) => ({ c, change: Math.round((now - before) * 100) / 100, now, before }))
      .sort((a, b) => b.change - a.change);
    const mover = ({ c, change, now, before }) => ({
      customer_id: c.id,
      name: this.name(c),
      segment: c.segment,
      score: now,
      previous: before,
      change,
      band: bandOf(now),
      grade: "fresh",
      reason: moveReason(c, change),
    });
    return {
      average: { score: mean("now"), previous: mean("before") },
      distribution: this.faults.has("no_model")
        ? []
        : BANDS.map(({ band }) => ({ band, count: count("now", band), previous: count("before", band) })),
      histogram: Array.from({ length: 20 }, (_, i) => ({
        low: i * 5,
        high: i * 5 + 5,
        count: scored.filter((s) => Math.min(19, Math.floor(s.now / 5)) === i).length,
      })),
      movers: {
        days: 7,
        up: movers
          .filter((m) => m.change > 0)
          .slice(0, 6)
          .map(mover),
        down: movers
          .filter((m) => m.change < 0)
          .slice(-6)
          .reverse()
          .map(mover),
      },
    };
  }

  metrics() {
    const empty = this.faults.has("empty");
    const counts = this.ledger.counts(this.options, this.customers().length);
    return {
      throughput: {
        per_second: empty ? 0 : (this.points.at(-1)?.value ?? 0),
        step_seconds: 2,
        points: empty ? [] : this.points,
      },
      freshness: empty ? [] : this.ledger.freshness(this.options),
      sources: empty ? [] : this.ledger.sources(this.options),
      counts: empty
        ? Object.fromEntries(Object.keys(counts).map((key) => [key, 0]))
        : { ...counts, scored: this.faults.has("no_model") ? 0 : counts.scored },
      balanced: !this.faults.has("unbalanced"),
      replay: this.replay(),
    };
  }

  model() {
    return this.faults.has("no_model") || this.faults.has("empty") ? null : MODEL;
  }

  overview() {
    const { throughput, freshness, counts, balanced } = this.metrics();
    return {
      data: { counts, balanced, model: this.model(), ...this.summary(), throughput, freshness, replay: this.replay() },
    };
  }

  list(search) {
    const bands = search.getAll("band");
    const q = (search.get("q") ?? "").toLowerCase();
    const sort = search.get("sort") ?? "score";
    const limit = Number(search.get("limit") ?? 50);
    const start = Number(search.get("cursor") ?? 0);
    const rows = this.customers().map((c) => ({
      c,
      ...this.score(c),
      name: this.name(c),
      activity: this.dataNow - lastActivityDays(c) * DAY,
    }));
    const found = rows.filter(
      ({ c, band, name }) =>
        (bands.length === 0 || bands.includes(band)) &&
        (!search.get("segment") || c.segment === search.get("segment")) &&
        (!search.get("source") || c.source === search.get("source")) &&
        (q === "" || c.id.toLowerCase().includes(q) || (name ?? "").toLowerCase().startsWith(q)),
    );
    const keys = {
      score: (r) => r.score,
      change: (r) => r.change,
      segment: (r) => r.c.segment,
      last_activity: (r) => r.activity,
    };
    const key = keys[sort.replace(/^-/, "")];
    found.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.c.index - b.c.index));
    if (sort.startsWith("-")) found.reverse();
    const page = found.slice(start, start + limit);
    return {
      data: {
        total: found.length,
        bands: this.model()?.bands ?? [],
        segments: [...new Set(this.customers().map((c) => c.segment))].sort(),
        sources: [...new Set(this.customers().map((c) => c.source))].sort(),
        rows: page.map(({ c, score, band, grade, as_of, change, name, activity }) => ({
          customer_id: c.id,
          name,
          segment: c.segment,
          source: c.source,
          ...(this.model()
            ? { score, band, grade, as_of, change }
            : { score: null, band: null, grade: "none", as_of: null, change: null }),
          trend: this.model()
            ? Array.from({ length: 30 }, (_, i) => (29 - i > c.startedDaysAgo ? null : scoreAt(c, 29 - i)))
            : [],
          last_activity_at: iso(activity),
          reason: this.model() ? topReason(c) : null,
        })),
      },
      meta: { next_cursor: start + limit < found.length ? String(start + limit) : null },
    };
  }

  find(id) {
    const found = this.customers().find((c) => c.id === id);
    if (!found) throw new NotFound(`No customer is known as ${id}.`);
    return found;
  }

  health(id, search) {
    const c = this.find(id);
    const asOf = search.get("as_of") ? Date.parse(search.get("as_of")) : this.dataNow;
    const daysAgo = Math.max(0, Math.floor((this.dataNow - asOf) / DAY));
    const score = scoreAt(c, daysAgo);
    const model = this.model();
    const contributions = contributionsAt(c, daysAgo, this.faults.has("stale"));
    if (this.faults.has("wrong_sum")) contributions[0].points += 0.37;
    return {
      data: {
        customer: {
          id: c.id,
          ref: c.ref,
          source: c.source,
          name: this.name(c),
          segment: c.segment,
          plan: c.plan,
          region: c.region,
          started_at: iso(this.dataNow - c.startedDaysAgo * DAY),
          churned_at: c.churnedDaysAgo === null ? null : iso(this.dataNow - c.churnedDaysAgo * DAY),
        },
        score: model ? score : null,
        band: model ? bandOf(score) : null,
        grade: this.meta().grade,
        as_of: iso(asOf),
        known_at: search.get("known_at") ?? iso(Date.now()),
        computed_at: model ? iso(Date.now() - 1200) : null,
        change: model ? Math.round((score - scoreAt(c, daysAgo + 7)) * 100) / 100 : null,
        model,
        contributions: model ? contributions : [],
        history: model
          ? Array.from({ length: 90 }, (_, i) => 89 - i + daysAgo).map((d) => ({
              at: iso(midnight(this.dataNow - d * DAY)),
              score: scoreAt(c, d),
              band: bandOf(scoreAt(c, d)),
              grade: "fresh",
            }))
          : [],
        timeline: this.timeline(c, daysAgo),
      },
    };
  }

  timeline(c, daysAgo) {
    const entries = [];
    for (let d = daysAgo; d < daysAgo + 21; d++) {
      const day = midnight(this.dataNow - d * DAY);
      const band = bandOf(scoreAt(c, d));
      const before = bandOf(scoreAt(c, d + 1));
      if (band !== before)
        entries.push({
          at: iso(day + 61_000),
          kind: "score",
          title: `Band changed to ${band.replace("_", " ")}`,
          detail: `${scoreAt(c, d + 1).toFixed(1)} to ${scoreAt(c, d).toFixed(1)}`,
          source: null,
          stream: null,
          quantity: null,
          properties: null,
          properties_left_out: false,
        });
      if ((c.index + d) % 9 === 4)
        entries.push({
          at: iso(day),
          kind: "milestone",
          title: "assessment",
          detail: "TMA, score 78",
          source: c.source,
          stream: "assessments",
          quantity: null,
          properties: null,
          properties_left_out: false,
        });
      if (d === daysAgo + 3)
        entries.push({
          at: iso(day + 5_000),
          kind: "correction",
          title: "A late row restated events",
          detail: "40 days late; 12 became 16",
          source: c.source,
          stream: "vle_clicks",
          quantity: null,
          properties: null,
          properties_left_out: false,
        });
      const named = c.source === "webshop";
      eventsOf(c, d).forEach(({ activity, clicks }, i) => {
        entries.push({
          at: iso(named ? day + 9 * 3_600_000 + i * 2_700_000 : day),
          kind: "event",
          title: named ? "feature_used" : "click",
          detail: activity,
          source: c.source,
          stream: named ? "usage_events" : "vle_clicks",
          quantity: named ? null : clicks,
          properties: propertiesOf(named, i),
          properties_left_out: false,
        });
      });
    }
    return entries.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)).slice(0, 200);
  }

  usage(timeframe, search) {
    const spans = {
      "24h": [24, 3_600_000, "hour"],
      "7d": [168, 3_600_000, "hour"],
      "30d": [30, DAY, "day"],
      "90d": [90, DAY, "day"],
      "12m": [12, 30.4 * DAY, "month"],
    };
    const [count, step, granularity] = spans[timeframe] ?? spans["30d"];
    const metric = search.get("metric") ?? "events";
    const c = search.get("customer_id") ? this.find(search.get("customer_id")) : this.customers()[0];
    const scale = metric === "clicks" ? 6 : metric === "active_days" ? 0.2 : 1;
    const valueAt = (start, d) => {
      const sum = eventsOf(c, Math.max(0, Math.floor(d))).reduce((n, e) => n + e.clicks, 0) / 4;
      const hour = new Date(start).getUTCHours();
      const part =
        granularity === "hour"
          ? hour < 7 || hour > 21
            ? 0.02
            : 0.08 + 0.05 * Math.sin(hour * 2.7 + d)
          : granularity === "month"
            ? 19
            : 1;
      return Math.round(sum * part * scale);
    };
    const floor = (at) =>
      granularity === "hour"
        ? at - (at % step)
        : granularity === "day"
          ? midnight(at)
          : Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth(), 1);
    const points = Array.from({ length: count }, (_, i) => {
      const back = (count - 1 - i) * step;
      const start = floor(this.dataNow - back);
      return { at: iso(start), value: valueAt(start, back / DAY), closed: i < count - 1 };
    });
    const total = points.reduce((sum, point) => sum + point.value, 0);
    return {
      data: {
        metric,
        label: { events: "Events", clicks: "Clicks", active_days: "Active days" }[metric] ?? metric,
        unit: metric.replace("_", " "),
        timeframe,
        granularity,
        points,
        total,
        previous_total: Math.round(total * (1 - c.drift * 40)),
        filling: null,
        available: [
          { metric: "events", label: "Events", unit: "events" },
          { metric: "clicks", label: "Clicks", unit: "clicks" },
          { metric: "active_days", label: "Active days", unit: "active days" },
        ],
      },
    };
  }

  status(source) {
    if (this.faults.has("empty") || !this.ledger.sources(this.options).some((s) => s.source === source))
      throw new NotFound(`No source is called ${source}.`);
    return { data: this.ledger.status(source, this.options) };
  }

  quality(search) {
    const asked = (name) => search.get(name);
    const streams = this.faults.has("empty")
      ? []
      : this.ledger.freshness(this.options).filter(({ source }) => !asked("source") || source === asked("source"));
    const days = this.faults.has("empty") ? [] : qualityDays(asked("from"));
    const fields = streams
      .flatMap((f) => FIELDS.map((field) => ({ source: f.source, stream: f.stream, ...field })))
      .filter(
        ({ field, stream }) =>
          (!asked("field") || field === asked("field")) && (!asked("stream") || stream === asked("stream")),
      )
      .map(({ bad, ...field }) => ({
        ...field,
        checked: 120_400,
        ...scored({ completeness: bad[0], validity: bad[1] }, asked("field") ? days : [], field.required),
      }))
      .sort((a, b) => a.scores[a.worst].value - b.scores[b.worst].value);
    const breached = fields.filter((field) => field.scores.completeness.breached);
    return {
      data: {
        from: days[0] ?? asked("from"),
        to: days.at(-1) ?? asked("from"),
        objectives: { completeness: 0.95, accuracy: 0.99, least_records: 20 },
        overall: streams.length === 0 ? NO_QUALITY : scored({ ...WHOLE_RECORDS }, days, true),
        streams: streams.map((f, i) => ({
          source: f.source,
          stream: f.stream,
          records: 1000,
          completeness: { value: 1 - i * 0.0131, good: 100_000 - i * 1310, of: 100_000 },
          validity: { value: 0.99991 - i * 0.002, good: 99_991 - i * 200, of: 100_000 },
          freshness: {
            seconds: f.seconds,
            objective_seconds: f.objective_seconds,
            met: f.objective_seconds === null ? null : f.seconds <= f.objective_seconds,
          },
          ...scored({ ...WHOLE_RECORDS, completeness: i * 0.0131 }, days, true),
        })),
        fields: fields.slice(0, Number(asked("limit") ?? 200)),
        fields_total: fields.length,
        breaches: days.slice(-2).flatMap((day) =>
          breached.map(({ source, stream, field, scores }) => ({
            source,
            stream,
            field,
            day,
            dimension: "completeness",
            value: scores.completeness.value,
            objective: 0.95,
            seen_at: `${day}T09:41:00Z`,
          })),
        ),
      },
    };
  }

  agreements(search) {
    const agreements = this.faults.has("empty") ? [] : AGREEMENTS;
    const source = search.get("source");
    return {
      data: {
        from: search.get("from"),
        to: null,
        agreements: agreements.filter(
          ({ left, right }) => !source || left.source === source || right.source === source,
        ),
      },
    };
  }

  agreement(name) {
    const one = AGREEMENTS.find((each) => each.name === name);
    if (!one) throw new NotFound(`No agreement is called ${name}.`);
    return { data: { ...one, differences: DIFFERENCES, differences_total: 47 } };
  }

  impact(search) {
    const source = search.get("source") ?? "webshop";
    const uses = {
      metrics: ["active_days", "clicks", "events"],
      components: ["usage.activity", "usage.trend"],
      attributes: [],
    };
    const streams = [
      {
        source,
        stream: "clicks",
        quarantined: 1284,
        customers: 96,
        unattributed: 212,
        ...uses,
        fields: [{ field: "person_id", missing: 7104, checked: 120_400, uses: [{ kind: "metric", name: "events" }] }],
      },
    ];
    const none = { metrics: [], components: [], attributes: [] };
    return {
      data: {
        from: "2026-01-01",
        to: "2026-01-15",
        customers: 96,
        scored: 88,
        known: 2400,
        ...(this.faults.has("empty") ? none : uses),
        streams: this.faults.has("empty") ? [] : streams,
      },
    };
  }

  drift(search) {
    const [stream] = this.ledger
      .freshness(this.options)
      .filter(({ source }) => this.faults.has("empty") === false && source === search.get("source"));
    const day = 86_400_000;
    const finding = (age, kind, path, observed, more) => ({
      source: stream.source,
      stream: stream.stream,
      contract_version: 1,
      kind,
      path,
      observed,
      types: [],
      first_at: new Date(Date.now() - age * day).toISOString(),
      last_at: new Date().toISOString(),
      known_at: new Date(Date.now() - age * day).toISOString(),
      records: null,
      discarded: 0,
      policy: "quarantine",
      in_force: true,
      evidence: {},
      ...more,
    });
    return {
      data: {
        findings: stream
          ? [
              finding(0, "rename", "total_clicks", "sum_click", {
                types: ["integer"],
                evidence: { overlap: 0.96, compared: 120 },
              }),
              finding(0, "new_field", "device", "", { types: ["string"], records: 1204, policy: "evolve" }),
              finding(2, "enum_growth", "activity_type", "quiz_v2", { records: 87, in_force: false }),
            ]
          : [],
      },
    };
  }

  quarantine(search) {
    const source = search.get("source");
    const all = {
      oulad: [
        ["vle_clicks", "wrong_type", "sum_click", "sum_click must be a whole number. Send it without quotes.", 29],
        [
          "vle_clicks",
          "from_the_future",
          "date",
          "occurred_at is more than 10 minutes ahead of data time. Check the sender's clock.",
          8,
        ],
        ["assessments", "required_missing", "score", "score is required and was absent or null.", 6],
      ],
      webshop: [
        ["usage_events", "no_partition_key", "customer_id", "customer_id is needed to tell whose event this is.", 3],
      ],
      helpdesk: [
        [
          "tickets",
          "rule_failed",
          null,
          "Rule 'plausible_wait' does not hold: nobody waits for a year. Release the record if it is right; else fix or dismiss it.",
          3,
          ["plausible_wait"],
        ],
        [
          "tickets",
          "load_volume",
          null,
          "The load 3f0a2c9e-5d1b-5c7e-8a64-1b9d2e7f4c05 has 1 row; 400 to 1,600 are expected. All of it is held. If it is right: " +
            "mainstem quarantine release --load 3f0a2c9e-5d1b-5c7e-8a64-1b9d2e7f4c05. Else: " +
            "mainstem quarantine dismiss --load 3f0a2c9e-5d1b-5c7e-8a64-1b9d2e7f4c05 --reason WHY.",
          1,
          ["rowCount"],
          "3f0a2c9e-5d1b-5c7e-8a64-1b9d2e7f4c05",
        ],
      ],
    };
    const asked = search.get("state");
    const found = (this.faults.has("empty") ? [] : (all[source] ?? [])).filter(
      ([, , , , , held_by]) => asked === null || asked === (held_by ? "held" : "quarantined"),
    );
    const reasons = found.map(([stream, reason, field, message, count, held_by = [], load = null], i) => ({
      source,
      stream,
      reason,
      field,
      rule: held_by[0] ?? null,
      state: held_by.length ? "held" : "quarantined",
      held_by,
      load,
      contract_version: 2,
      message,
      count,
      first_at: iso(Date.now() - 3 * DAY),
      last_at: iso(Date.now() - (i + 1) * 4_000_000),
    }));
    const rows = reasons.flatMap((r, n) =>
      Array.from({ length: Math.min(r.count, 8) }, (_, i) => ({
        id: `0000${n}000-0000-4000-8000-00000000000${i}`,
        source,
        stream: r.stream,
        reason: r.reason,
        field: r.field,
        rule: r.rule,
        message: r.message,
        contract_version: 2,
        received_at: iso(Date.parse(r.last_at) - i * 61_000),
        state: r.state,
        held_by: r.held_by,
        load: r.load,
        place: {
          epoch: 1,
          partition: (n + i) % 4,
          lane: i % 2 ? "bulk" : "live",
          position: 8812 - i * 7,
          index: 113 * i + n,
        },
      })),
    );
    return { data: { total: found.reduce((sum, [, , , , count]) => sum + count, 0), reasons, rows } };
  }
}

function midnight(at) {
  return at - (at % DAY);
}
