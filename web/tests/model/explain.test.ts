import { describe, expect, it } from "vitest";
import type { CustomerHealth } from "../../src/api/types";
import { explain } from "../../src/model/explain";
import { contribution } from "./contribution";

const HEALTH: CustomerHealth = {
  customer: {
    id: "s:1",
    ref: "r",
    source: "s",
    name: null,
    segment: null,
    plan: null,
    region: null,
    started_at: null,
    churned_at: null,
  },
  score: 45.5,
  band: "at_risk",
  grade: "fresh",
  as_of: "2026-01-15T12:00:00Z",
  known_at: "2026-01-15T12:00:00Z",
  computed_at: "2026-01-15T12:00:00Z",
  change: -8.1,
  model: null,
  contributions: [contribution("Recency", 5.5, 30), contribution("Breadth", 30, 40), contribution("Trend", 10, 30)],
  history: [],
  timeline: [],
};

describe("the explanation", () => {
  it("names the band, the movement and the largest loss", () => {
    expect(explain(HEALTH).headline).toBe(
      "45.5 of 100 is at risk, down 8.1 in 7 days. Most is lost on recency: 24.50 of 30 points.",
    );
  });

  it("sorts what holds the score down by its loss, and what carries it by its points", () => {
    const { against, inFavour } = explain(HEALTH);
    expect(against.map(({ contribution: { component } }) => component)).toEqual(["Recency", "Trend"]);
    expect(inFavour.map(({ contribution: { component } }) => component)).toEqual(["Breadth"]);
  });

  it("claims nothing without a score", () => {
    const { headline, against, inFavour } = explain({ ...HEALTH, score: null, band: null, contributions: [] });
    expect(headline).toContain("no score has been computed");
    expect([...against, ...inFavour]).toEqual([]);
  });
});
