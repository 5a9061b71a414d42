import { describe, expect, it } from "vitest";
import type { FunnelStep, FunnelVariant, Journey } from "../../src/api/journeys";
import {
  answerPath,
  begun,
  bracketLabel,
  differenceOf,
  dropAt,
  periodLabel,
  spansOf,
  strength,
} from "../../src/model/journeys";

const JOURNEY: Journey = {
  name: "first_work",
  kind: "funnel",
  label: "First work",
  description: "",
  subject: "customer",
  events: [],
  since: null,
};

const step = (count: number, of_previous: number | null): FunnelStep => ({
  name: "s",
  label: "S",
  count,
  of_previous,
  of_first: of_previous,
  seconds_from_previous: null,
  seconds_from_first: null,
});

describe("a journey", () => {
  it("is asked for where its kind is", () => {
    expect(answerPath(JOURNEY)).toBe("/analytics/funnels/first_work");
    expect(answerPath({ ...JOURNEY, kind: "adoption" })).toBe("/analytics/adoption/first_work");
  });

  it("is asked for spans that fit what it puts together", () => {
    const values = (journey: Journey) => spansOf(journey).map(({ label }) => label);
    expect(values(JOURNEY)).toEqual(["30 d", "90 d", "1 y"]);
    expect(values({ ...JOURNEY, kind: "retention", every: "day" })).toEqual(["14 d", "30 d", "90 d"]);
    expect(values({ ...JOURNEY, kind: "retention", every: "week" })).toEqual(["12 wk", "26 wk", "1 y"]);
    expect(values({ ...JOURNEY, kind: "cohort", every: "week", period: "month" })).toEqual(["12 wk", "26 wk", "1 y"]);
  });

  it("names brackets and periods", () => {
    expect(bracketLabel("day", 3)).toBe("Day 3");
    expect(bracketLabel("week", 0)).toBe("Week 0");
    expect(periodLabel("month", "2026-01-01T00:00:00Z")).toBe("Jan 2026");
    expect(periodLabel("week", "2026-01-05T00:00:00Z")).toBe("5 Jan 2026");
  });
});

describe("a funnel", () => {
  it("loses at each step but the first", () => {
    const steps = [step(10, 1), step(4, 0.4), step(0, 0)];
    expect(dropAt(steps, 0)).toBeNull();
    expect(dropAt(steps, 1)).toEqual({ lost: 6, share: 0.6 });
    expect(dropAt([step(0, null), step(0, null)], 1)).toEqual({ lost: 0, share: null });
  });

  it("calls a difference better or worse only when the interval says so", () => {
    const variant = (value: number, low: number, high: number, clear: boolean): FunnelVariant => ({
      value: "new",
      steps: [],
      conversion: 0.5,
      difference: { value, low, high, clear },
    });
    expect(differenceOf(variant(0.12, 0.02, 0.21, true))).toEqual({
      text: "+12.0 pt",
      interval: "+2.0 to +21.0",
      verdict: "better",
    });
    expect(differenceOf(variant(-0.12, -0.2, -0.02, true))?.verdict).toBe("worse");
    expect(differenceOf(variant(0.3, -0.02, 0.21, false))?.verdict).toBe("unclear");
    expect(differenceOf({ ...variant(0, 0, 0, false), difference: null })).toBeNull();
  });
});

describe("a triangle", () => {
  it("leaves out periods in which nobody began", () => {
    const rows = [0, 3, 0, 2].map((size, n) => ({ begins: String(n), size, brackets: [] }));
    expect(begun(rows).map(({ begins }) => begins)).toEqual(["1", "3"]);
    expect(begun(rows.slice(0, 1))).toEqual([]);
  });

  it("colours by tenths of what is most", () => {
    expect(strength(0.52, 1)).toBe(0.5);
    expect(strength(30, 20)).toBe(1);
    expect(strength(null, 1)).toBe(0);
    expect(strength(5, 0)).toBe(0);
    expect(strength(-2, 5)).toBe(0);
  });
});
