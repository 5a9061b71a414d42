import { describe, expect, it } from "vitest";
import { waterfall } from "../../src/model/waterfall";
import { contribution } from "./contribution";

describe("the waterfall", () => {
  it("ends exactly at the score, where adding floats would not", () => {
    const parts = [10.1, 20.2, 4.4].map((points, i) => contribution(`c${i}`, points, 25));
    expect(parts.reduce((sum, { points }) => sum + points, 0)).not.toBe(34.7);
    const { total, difference, steps } = waterfall(parts, 34.7);
    expect(total).toBe(34.7);
    expect(difference).toBe(0);
    expect(steps.at(-1)?.to).toBe(34.7);
  });

  it("starts each step where the one before ended", () => {
    const { steps } = waterfall(
      [contribution("a", 10.5, 25), contribution("b", 20.25, 25), contribution("c", -3, 25)],
      27.75,
    );
    expect(steps.map(({ from, to }) => [from, to])).toEqual([
      [0, 10.5],
      [10.5, 30.75],
      [30.75, 27.75],
    ]);
  });

  it("says how much was lost, and how far the step could have reached", () => {
    const { steps } = waterfall([contribution("a", 10, 25), contribution("b", 5, 5)], 15);
    expect(steps.map(({ lost }) => lost)).toEqual([15, 0]);
    expect(steps.map(({ reach }) => reach)).toEqual([25, 15]);
  });

  it("does not hide that contributions miss the score, by a hundredth even", () => {
    expect(waterfall([contribution("a", 10.01, 25)], 10).difference).toBe(0.01);
    expect(waterfall([contribution("a", 9.5, 25)], 10).difference).toBe(-0.5);
  });

  it("keeps thousands of random splits exact", () => {
    let seed = 7;
    const next = () => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647;
    };
    for (let round = 0; round < 2000; round++) {
      const hundredths = Array.from({ length: 1 + Math.floor(next() * 9) }, () => Math.floor(next() * 1500));
      const score = hundredths.reduce((sum, value) => sum + value, 0) / 100;
      const parts = hundredths.map((value, i) => contribution(`c${i}`, value / 100, 15));
      expect(waterfall(parts, score)).toMatchObject({ total: score, difference: 0 });
    }
  });
});
