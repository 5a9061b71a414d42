import { describe, expect, it } from "vitest";
import {
  dimensionLabel,
  floorOf,
  measured,
  points,
  qualityLook,
  scoreNote,
  series,
  stepFrom,
  stillChosen,
} from "../../src/model/quality";
import { field, quality, score } from "./quality";

const day = (date: string, completeness: number | null) => ({ day: date, records: 10, breached: false, completeness });

describe("quality", () => {
  it("has a word for each grade, and takes one it does not know as it is", () => {
    expect(qualityLook("poor")).toMatchObject({ label: "Poor", tone: "bad" });
    expect(qualityLook("half_good").label).toBe("half good");
    expect(dimensionLabel("validity")).toBe("Validity");
    expect(dimensionLabel("beauty_of_form")).toBe("beauty of form");
  });

  it("is a line over the days on which it was measured", () => {
    const days = [day("2026-01-13", 0.9), day("2026-01-14", null), day("2026-01-15", 1)];
    expect(series(days, "completeness")).toEqual([
      { at: "2026-01-13T00:00:00Z", value: 0.9, records: 10 },
      { at: "2026-01-15T00:00:00Z", value: 1, records: 10 },
    ]);
    expect(series(days, "validity")).toEqual([]);
  });

  it("begins its scale below everything that is drawn, and not far above", () => {
    expect(floorOf([{ value: 0.999 }, { value: 1 }], null)).toBe(0.8);
    expect(floorOf([{ value: 0.97 }], 0.6)).toBe(0.5);
    expect(floorOf([{ value: 0.42 }], 0.95)).toBe(0.4);
    expect(floorOf([{ value: 0.02 }], 0.95)).toBe(0);
    expect(floorOf([{ value: 0 }], null)).toBe(0);
  });

  it("has a few round marks on it", () => {
    for (const low of [0, 0.1, 0.4, 0.5, 0.7, 0.8, 0.9]) {
      const marks = (1 - low) / stepFrom(low);
      expect(marks).toBeGreaterThan(2.9);
      expect(marks).toBeLessThan(5.1);
    }
    expect(stepFrom(0.8)).toBe(0.05);
  });

  it("tells a trend in points of a hundred", () => {
    expect(points(-0.0123)).toBe(-1.2);
    expect(points(0)).toBe(0);
    expect(points(null)).toBeNull();
  });

  it("says what a score has behind it", () => {
    expect(scoreNote(score(90, 100))).toBe("10 wrong of 100");
    expect(scoreNote(score(100, 100))).toBe("none wrong of 100");
    expect(scoreNote(score(90, 100, { objective: 0.95, breached: true }))).toContain("missed");
    expect(scoreNote(score(96, 100, { objective: 0.95, breached: false }))).toContain("met");
    expect(scoreNote(score(0, 0))).toBe("nothing to measure");
  });

  it("is shown over time only in what was measured", () => {
    const shown = quality({ scores: { timeliness: score(0, 5), validity: score(1, 2), uniqueness: score(0, 0) } });
    expect(measured(shown).map(({ name }) => name)).toEqual(["validity", "timeliness"]);
  });

  it("shows no field of one source on the page of another", () => {
    const chosen = field("customer");
    expect(stillChosen(chosen, null)).toBe(chosen);
    expect(stillChosen(chosen, chosen.source)).toBe(chosen);
    expect(stillChosen(chosen, "another")).toBeNull();
    expect(stillChosen(null, null)).toBeNull();
  });
});
