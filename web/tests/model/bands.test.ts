import { describe, expect, it } from "vitest";
import { bandLook, bandOfScore, bestFirst, toneAt } from "../../src/model/bands";

const BANDS = [
  { band: "red", label: "In danger", low: 0, high: 40 },
  { band: "amber", label: "Unsure", low: 40, high: 70 },
  { band: "green", label: "Safe", low: 70, high: 100 },
];

describe("bands", () => {
  it("take their tone from their place among the model's, worst first", () => {
    expect(BANDS.map(({ band }) => bandLook(band, BANDS).tone)).toEqual(["bad", "warn", "good"]);
    expect(bandLook("amber", BANDS).label).toBe("Unsure");
    expect([0, 1, 2, 3, 4, 5].map((index) => toneAt(index, 6))).toEqual([
      "bad",
      "warn",
      "warn",
      "fair",
      "fair",
      "good",
    ]);
  });

  it("are told in words also when no model knows them", () => {
    expect(bandLook("at_risk", null)).toEqual({ label: "At risk", tone: "warn" });
    expect(bandLook("very_odd", BANDS)).toEqual({ label: "Very odd", tone: "neutral" });
    expect(bandLook(null, BANDS)).toEqual({ label: "No score", tone: "neutral" });
  });

  it("are listed best first, and after them the customers that have left", () => {
    const counts = ["churned", "red", "amber", "green"].map((band) => ({ band }));
    expect(bestFirst(counts, BANDS).map(({ band }) => band)).toEqual(["green", "amber", "red", "churned"]);
    expect(bandLook("churned", BANDS)).toEqual({ label: "Churned", tone: "neutral" });
  });

  it("hold their lower bound, and the last one 100", () => {
    expect([0, 39.99, 40, 70, 100].map((score) => bandOfScore(score, BANDS))).toEqual([
      "red",
      "red",
      "amber",
      "green",
      "green",
    ]);
    expect(bandOfScore(101, BANDS.slice(0, 2))).toBe("amber");
    expect(bandOfScore(-1, BANDS)).toBeNull();
  });
});
