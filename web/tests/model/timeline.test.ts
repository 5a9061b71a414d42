import { describe, expect, it } from "vitest";
import type { TimelineEntry } from "../../src/api/types";
import { timelineDays } from "../../src/model/timeline";

function entry(at: string, detail: string, quantity: number | null = 1, kind = "event"): TimelineEntry {
  return {
    at,
    kind,
    title: "click",
    detail,
    source: "oulad",
    stream: "vle_clicks",
    quantity,
    properties: null,
    properties_left_out: false,
  };
}

describe("the timeline", () => {
  it("folds neighbours that are the same event, and adds their quantities", () => {
    const [day] = timelineDays([
      entry("2026-01-15T10:00:00Z", "quiz", 3),
      entry("2026-01-15T09:00:00Z", "quiz", 4),
      entry("2026-01-15T08:00:00Z", "forum", null),
      entry("2026-01-15T07:00:00Z", "quiz", 1),
    ]);
    expect(day?.lines.map(({ entry: { detail }, entries, quantity }) => [detail, entries.length, quantity])).toEqual([
      ["quiz", 2, 7],
      ["forum", 1, null],
      ["quiz", 1, 1],
    ]);
  });

  it("keeps days apart, newest first, and never folds what is not an event", () => {
    const days = timelineDays([
      entry("2026-01-16T00:00:00Z", "quiz"),
      entry("2026-01-15T23:59:59Z", "quiz"),
      entry("2026-01-15T10:00:00Z", "late", null, "correction"),
      entry("2026-01-15T09:00:00Z", "late", null, "correction"),
    ]);
    expect(days.map(({ day, lines }) => [day, lines.length])).toEqual([
      ["2026-01-16", 1],
      ["2026-01-15", 3],
    ]);
  });

  it("gives every line its own key", () => {
    const same = entry("2026-01-15T00:00:00Z", "quiz");
    const [day] = timelineDays([same, entry("2026-01-15T00:00:00Z", "forum"), same]);
    expect(new Set(day?.lines.map(({ key }) => key)).size).toBe(3);
  });
});
