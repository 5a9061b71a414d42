/** Sources, streams and days, whose figures add up (unless told otherwise). */

import { DAY, iso } from "./world.mjs";

const STREAMS = {
  oulad: [
    { stream: "vle_clicks", base: 402_113, duplicate: 0.021, quarantined: 37, objective: 172_800, version: 2 },
    { stream: "assessments", base: 3_149, duplicate: 0.002, quarantined: 6, objective: 604_800, version: 1 },
    { stream: "registrations", base: 383, duplicate: 0, quarantined: 0, objective: null, version: 1 },
  ],
  webshop: [{ stream: "usage_events", base: 88_420, duplicate: 0.004, quarantined: 3, objective: 3600, version: 1 }],
  helpdesk: [{ stream: "tickets", base: 1_204, duplicate: 0.31, quarantined: 0, objective: 900, version: 4 }],
};
const LABELS = { oulad: "OULAD", webshop: "Webshop", helpdesk: "Help desk" };
const FLOWS = { vle_clicks: 1, usage_events: 0.22, tickets: 0.004, assessments: 0.008, registrations: 0 };

const add = (parts) =>
  parts.reduce((sum, part) => Object.fromEntries(Object.keys(part).map((k) => [k, (sum[k] ?? 0) + part[k]])), {});

function terms(entry, received, pending) {
  const duplicate = Math.round(received * entry.duplicate);
  const { quarantined } = entry;
  const held = entry.stream === "tickets" ? 4 : 0;
  const discarded = entry.stream === "vle_clicks" ? 2 : 0;
  const accepted = received - duplicate - quarantined - held - discarded - pending;
  return { received, accepted, duplicate, quarantined, held, discarded, pending, refused: 0 };
}

export class Ledger {
  constructor() {
    this.live = Object.fromEntries(Object.keys(FLOWS).map((stream) => [stream, 0]));
    this.pending = 0;
    this.rate = 1180;
  }

  /** The next rate of the flow. */
  pace(random) {
    this.rate = Math.max(200, Math.min(2400, this.rate + 0.08 * (1180 - this.rate) + 90 * random.normal()));
    return Math.round(this.rate);
  }

  /** One step of the flow; the records that took effect per second. */
  tick(seconds, random) {
    this.pace(random);
    const records = Math.round(this.rate * seconds);
    for (const [stream, part] of Object.entries(FLOWS)) this.live[stream] += Math.round(records * part);
    this.pending = random.whole(0, 900);
    return records / seconds;
  }

  streams(source, { stale, dataNow }) {
    return STREAMS[source].map((entry) => {
      const silent = stale && entry.stream === "assessments";
      const newest = silent ? dataNow - 9.4 * DAY : dataNow - (entry.stream === "tickets" ? 260_000 : 2_400);
      const pending = entry.stream === "vle_clicks" ? this.pending : 0;
      const grade = silent ? "stale" : source === "oulad" && entry.objective === null ? "historical" : "fresh";
      return {
        stream: entry.stream,
        contract_version: entry.version,
        ...terms(entry, entry.base + this.live[entry.stream], pending),
        lag: pending > 0 ? 0.4 : 0,
        newest_at: iso(newest),
        freshness_seconds: (dataNow - newest) / 1000,
        objective_seconds: entry.objective,
        grade,
        last_received_at: iso(Date.now() - (silent ? 600_000 : 900)),
        last_occurred_at: iso(newest),
        complete_until: iso(newest - 3_600_000),
      };
    });
  }

  status(source, options) {
    const wrong = options.unbalanced && source === "oulad" ? 12 : 0;
    const streams = this.streams(source, options).map((s, i) => ({
      ...s,
      accepted: s.accepted - (i === 0 ? wrong : 0),
    }));
    const refused = source === "webshop" ? 41 : 0;
    const sums = add(
      streams.map(({ received, accepted, duplicate, quarantined, held, discarded, pending }) => ({
        received,
        accepted,
        duplicate,
        quarantined,
        held,
        discarded,
        pending,
      })),
    );
    const worst = streams.some(({ grade }) => grade === "stale") ? "stale" : "fresh";
    return {
      source,
      label: LABELS[source],
      ...sums,
      refused,
      balanced: wrong === 0,
      lag: Math.max(...streams.map(({ lag }) => lag)),
      newest_at: streams[0].newest_at,
      freshness_seconds: streams[0].freshness_seconds,
      freshness_of: streams[0].stream,
      objective_seconds: streams[0].objective_seconds,
      grade: worst,
      last_received_at: streams[0].last_received_at,
      streams: streams.map((s, i) => ({ ...s, balanced: i > 0 || wrong === 0 })),
      days: days(sums, refused, wrong),
      refusals: refused
        ? [
            { reason: "no_stream", count: 29 },
            { reason: "not_json", count: 12 },
          ]
        : [],
    };
  }

  summary(source, options) {
    const s = this.status(source, options);
    const {
      label,
      received,
      accepted,
      pending,
      quarantined,
      held,
      balanced,
      lag,
      newest_at,
      freshness_seconds,
      freshness_of,
      objective_seconds,
      grade,
      last_received_at,
    } = s;
    return {
      source,
      label,
      streams: s.streams.length,
      received,
      accepted,
      pending,
      quarantined,
      held,
      balanced,
      lag,
      newest_at,
      freshness_seconds,
      freshness_of,
      objective_seconds,
      grade,
      last_received_at,
    };
  }

  sources(options) {
    return Object.keys(STREAMS)
      .sort()
      .map((source) => this.summary(source, options));
  }

  freshness(options) {
    return Object.keys(STREAMS)
      .sort()
      .flatMap((source) =>
        this.streams(source, options).map(
          ({ stream, newest_at, freshness_seconds, objective_seconds, grade, last_received_at }) => ({
            source,
            stream,
            newest_at,
            seconds: freshness_seconds,
            objective_seconds,
            grade,
            last_received_at,
          }),
        ),
      );
  }

  counts(options, customers) {
    const all = this.sources(options);
    const sum = (key) => all.reduce((total, entry) => total + entry[key], 0);
    return {
      customers,
      scored: customers,
      sources: all.length,
      streams: sum("streams"),
      received: sum("received"),
      accepted: sum("accepted"),
      pending: sum("pending"),
      quarantined: sum("quarantined"),
      held: sum("held"),
    };
  }
}

/** The source's terms spread over some days; today carries what is left, so that the days add up to the whole. */
function days(sums, refused, wrong) {
  const shares = [0, 0.21, 0.19, 0.16, 0.13, 0.1, 0.08];
  const spread = shares.map((share, i) => {
    const part = Object.fromEntries(
      Object.entries(sums).map(([k, v]) => [k, i === 0 || k === "pending" ? 0 : Math.floor(v * share)]),
    );
    const { duplicate, quarantined, held, discarded } = part;
    return { ...part, accepted: part.received - duplicate - quarantined - held - discarded };
  });
  const rest = add(spread);
  spread[0] = Object.fromEntries(Object.entries(sums).map(([k, v]) => [k, v - rest[k]]));
  return spread.map((part, i) => ({
    day: new Date(Date.now() - i * DAY).toISOString().slice(0, 10),
    ...part,
    refused: i === 1 ? refused : 0,
    balanced: i > 0 || wrong === 0,
  }));
}
