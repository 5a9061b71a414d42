import { describe, expect, it } from "vitest";
import type { RemedyTotal } from "../../src/api/remedies";
import * as number from "../../src/format/number";
import { remedyLine, written } from "../../src/model/remedies";

const total: RemedyTotal = {
  source: "crm",
  stream: "accounts",
  field: "plan",
  remedy: "standardise.trim",
  effect: "standardised",
  records: 1200,
  of: 4800,
  share: 0.25,
  latest: "2026-01-14",
  kept: true,
};

describe("remedies", () => {
  it("say of how many values they changed something, and of what share where that is known", () => {
    expect(remedyLine(total)).toBe(`1,200 standardised, ${number.share(0.25)} of 4,800 checked`);
    expect(remedyLine({ ...total, of: 0, share: null })).toBe("1,200 standardised");
  });

  it("show values so that white space is seen, and nothing as nothing", () => {
    expect(written(" Pro")).toBe('" Pro"');
    expect(written(120.5)).toBe("120.5");
    expect(written(null)).toBe("nothing");
    expect(written({ a: [1] })).toBe('{"a":[1]}');
  });
});
