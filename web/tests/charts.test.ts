import { describe, expect, it } from "vitest";
import { niceStep, roundStart } from "../src/charts/options";

const DAY = 86_400_000;

describe("the marks of a time axis", () => {
  it.each([
    ["an hour", DAY / 24, DAY / 96],
    ["a day", DAY, DAY / 4],
    ["a week", 7 * DAY, DAY],
    ["90 days", 90 * DAY, 14 * DAY],
    ["a year", 365 * DAY, 56 * DAY],
  ])("of %s are evenly spaced", (_, span, step) => {
    expect(niceStep(span)).toBe(step);
  });

  it.each([
    ["days apart begin at a midnight", "2026-08-28T15:35:20Z", 14 * DAY, "2026-08-28T00:00:00Z"],
    ["hours apart begin at a whole step", "2026-08-28T15:35:20Z", DAY / 4, "2026-08-28T12:00:00Z"],
  ])("that are %s", (_, first, step, begin) => {
    expect(roundStart(Date.parse(first), step)).toBe(Date.parse(begin));
  });

  it("are never more than seven, whatever the span", () => {
    for (let span = 1; span < 1e13; span *= 1.7) expect(span / niceStep(span)).toBeLessThanOrEqual(7);
  });
});
