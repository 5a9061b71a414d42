import { describe, expect, it } from "vitest";
import type { LiveMetrics, SourceSummary, StreamFreshness } from "../../src/api/types";
import { reduceMetrics, THROUGHPUT_SECONDS } from "../../src/live/metrics";

const freshness = (source: string, stream: string, grade = "fresh"): StreamFreshness => ({
  source,
  stream,
  newest_at: null,
  seconds: 1,
  objective_seconds: 60,
  grade,
  last_received_at: null,
});
const source = (name: string, received: number): SourceSummary => ({
  source: name,
  label: name,
  streams: 1,
  received,
  accepted: received,
  pending: 0,
  quarantined: 0,
  held: 0,
  balanced: true,
  lag: 0,
  newest_at: null,
  freshness_seconds: 1,
  grade: "fresh",
  last_received_at: null,
});
const COUNTS = {
  customers: 1,
  scored: 1,
  sources: 1,
  streams: 1,
  received: 1,
  accepted: 1,
  pending: 0,
  quarantined: 0,
  held: 0,
};
const START: LiveMetrics = {
  throughput: { per_second: 5, step_seconds: 2, points: [{ at: "2026-01-15T12:00:00Z", value: 5 }] },
  freshness: [freshness("b", "x"), freshness("b", "y")],
  sources: [source("b", 1)],
  counts: COUNTS,
  balanced: true,
  replay: null,
};

describe("live metrics", () => {
  it("append throughput, replace the same instant, and forget what is too old", () => {
    const at = (seconds: number) => new Date(Date.parse("2026-01-15T12:00:00Z") + seconds * 1000).toISOString();
    const second = reduceMetrics(START, [{ kind: "throughput", value: { at: at(2), value: 7 } }]);
    expect(second.throughput.points.map(({ value }) => value)).toEqual([5, 7]);
    expect(second.throughput.per_second).toBe(7);
    const again = reduceMetrics(second, [{ kind: "throughput", value: { at: at(2), value: 9 } }]);
    expect(again.throughput.points.map(({ value }) => value)).toEqual([5, 9]);
    const later = reduceMetrics(again, [{ kind: "throughput", value: { at: at(THROUGHPUT_SECONDS + 1), value: 1 } }]);
    expect(later.throughput.points.map(({ value }) => value)).toEqual([9, 1]);
  });

  it("replace a stream or a source in its place, and put a new one in order", () => {
    const next = reduceMetrics(START, [
      { kind: "freshness", value: freshness("b", "y", "stale") },
      { kind: "freshness", value: freshness("a", "z") },
      { kind: "source", value: source("b", 10) },
      { kind: "source", value: source("a", 2) },
    ]);
    expect(next.freshness.map((entry) => `${entry.source}.${entry.stream} ${entry.grade}`)).toEqual([
      "a.z fresh",
      "b.x fresh",
      "b.y stale",
    ]);
    expect(next.sources.map((entry) => [entry.source, entry.received])).toEqual([
      ["a", 2],
      ["b", 10],
    ]);
  });

  it("are the same after any change was applied twice", () => {
    const changes = [
      { kind: "throughput" as const, value: { at: "2026-01-15T12:00:02Z", value: 7 } },
      { kind: "counts" as const, value: { ...COUNTS, received: 9, balanced: false } },
      { kind: "source" as const, value: source("a", 2) },
    ];
    const once = reduceMetrics(START, changes);
    expect(once).toMatchObject({ balanced: false, counts: { received: 9 } });
    expect(once.counts).not.toHaveProperty("balanced");
    expect(reduceMetrics(once, changes)).toEqual(once);
  });

  it("do not stumble over a kind of a later server", () => {
    const unknown = { kind: "moon", value: {} } as unknown as Parameters<typeof reduceMetrics>[1][number];
    expect(reduceMetrics(START, [unknown])).toEqual(START);
  });

  it("leave the state before untouched", () => {
    const frozen = structuredClone(START);
    reduceMetrics(START, [{ kind: "source", value: source("b", 99) }]);
    expect(START).toEqual(frozen);
  });
});
