import { describe, expect, it } from "vitest";
import type { Meta } from "../src/api/types";
import { ageSeconds, runningAge } from "../src/data/age";

const meta = (freshness_seconds: number | null, speed?: number): Meta => ({
  generated_at: "2026-01-15T12:00:00Z",
  as_of: "2026-01-15T12:00:00Z",
  freshness_seconds,
  grade: "fresh",
  missing: [],
  replay: speed
    ? { name: "oulad", origin: "", started: "", speed, data_now: "2014-03-04T00:00:00Z", finished: false }
    : null,
  next_cursor: null,
});

describe("the age of what is shown", () => {
  it("is the input's age when it was answered, and the time since", () => {
    expect(ageSeconds({ meta: meta(4), receivedAt: 100 }, 103)).toBe(7);
  });

  it("is told in our seconds while a replay runs faster", () => {
    expect(ageSeconds({ meta: meta(7200, 7200), receivedAt: 100 }, 101)).toBe(2);
  });

  it("is that of the answer when there is no input, and unknown before any answer", () => {
    expect(ageSeconds({ meta: meta(null), receivedAt: 100 }, 103)).toBe(3);
    expect(ageSeconds({ meta: null, receivedAt: null }, 103)).toBeNull();
  });
});

describe("the age of a stream", () => {
  it("runs on from its newest record", () => {
    const now = Date.parse("2026-01-15T12:00:10Z");
    expect(runningAge("2026-01-15T12:00:00Z", 1, now)).toBe(10);
    expect(runningAge("2026-01-15T12:00:20Z", 1, now)).toBe(0);
  });

  it("stands as told without a clock or a record", () => {
    expect(runningAge("2026-01-15T12:00:00Z", 42, null)).toBe(42);
    expect(runningAge(null, null, 1)).toBeNull();
  });
});
