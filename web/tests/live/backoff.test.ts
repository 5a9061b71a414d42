import { expect, it } from "vitest";
import { backoff } from "../../src/live/backoff";

it("doubles up to a bound, and spreads over the upper half", () => {
  expect([0, 1, 2, 3, 20].map((attempt) => backoff(attempt, () => 1))).toEqual([0.5, 1, 2, 4, 15]);
  expect(backoff(3, () => 0)).toBe(2);
});
