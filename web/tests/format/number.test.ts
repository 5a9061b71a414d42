import { describe, expect, it } from "vitest";
import * as number from "../../src/format/number";

describe("numbers", () => {
  it("are grouped, and nothing is a dash", () => {
    expect(number.count(1234567)).toBe("1,234,567");
    expect(number.count(0)).toBe("0");
    expect(number.count(null)).toBe("–");
    expect(number.count(-3)).toBe("−3");
  });

  it("are shortened only where every digit no longer fits", () => {
    expect(number.shortCount(99_999)).toBe("99,999");
    expect(number.shortCount(39_605_099)).toBe("39.6M");
  });

  it("keep the decimals of points, so that what is read adds up", () => {
    expect(number.points(12.3)).toBe("12.30");
    expect(number.score(62.4)).toBe("62.4");
  });

  it("do not lift a score into the next band", () => {
    expect(number.score(49.96)).toBe("49.9");
    expect(number.score(50)).toBe("50.0");
    expect(number.score(0.3)).toBe("0.3");
    expect(number.score(99.99)).toBe("99.9");
  });

  it("carry the sign of a change, also of none", () => {
    expect(number.change(1.23)).toBe("+1.2");
    expect(number.change(-1234.56)).toBe("−1,234.6");
    expect(number.change(0.04)).toBe("±0.0");
    expect(number.change(-0.04)).toBe("±0.0");
    expect(number.countChange(-12)).toBe("−12");
    expect(number.countChange(0)).toBe("±0");
  });

  it("never round a share up to all or down to nothing", () => {
    expect(number.share(1)).toBe("100\u2009%");
    expect(number.share(0.99999)).toBe(">\u200999.9\u2009%");
    expect(number.share(0.00001)).toBe("<\u20090.1\u2009%");
    expect(number.share(0)).toBe("0\u2009%");
    expect(number.share(0.5)).toBe("50.0\u2009%");
    expect(number.share(Number.NaN)).toBe("–");
  });

  it("count one and many", () => {
    expect(number.plural(1, "customer")).toBe("1 customer");
    expect(number.plural(1200, "customer")).toBe("1,200 customers");
  });
});
