import { describe, expect, it } from "vitest";
import type { Terms } from "../../src/api/types";
import { conservation, segments } from "../../src/model/conservation";

const TERMS: Terms = {
  received: 1000,
  accepted: 900,
  duplicate: 60,
  quarantined: 20,
  held: 10,
  discarded: 5,
  pending: 5,
  refused: 77,
  balanced: true,
};

describe("the conservation equation", () => {
  it("holds without what was refused at the door", () => {
    expect(conservation(TERMS)).toEqual({ received: 1000, sum: 1000, difference: 0, balanced: true });
  });

  it("is added up here: the server's word alone does not make it hold", () => {
    expect(conservation({ ...TERMS, accepted: 899 })).toMatchObject({ difference: -1, balanced: false });
    expect(conservation({ ...TERMS, pending: 17 })).toMatchObject({ difference: 12, balanced: false });
  });

  it("does not hold either when only the server's check failed", () => {
    expect(conservation({ ...TERMS, balanced: false })).toMatchObject({ difference: 0, balanced: false });
  });
});

describe("the bar", () => {
  it("is filled, and shows the smallest term that has a record", () => {
    const parts = segments({
      ...TERMS,
      received: 1_000_001,
      accepted: 1_000_000,
      duplicate: 0,
      quarantined: 1,
      held: 0,
      discarded: 0,
      pending: 0,
    });
    expect(parts.map(({ term }) => term)).toEqual(["accepted", "quarantined"]);
    expect(parts[1]?.percent).toBeGreaterThan(0.5);
    expect(parts.reduce((sum, { percent }) => sum + percent, 0)).toBeCloseTo(100, 9);
  });

  it("is empty when nothing was received", () => {
    const none = {
      received: 0,
      accepted: 0,
      duplicate: 0,
      quarantined: 0,
      held: 0,
      discarded: 0,
      pending: 0,
      refused: 0,
      balanced: true,
    };
    expect(segments(none)).toEqual([]);
  });
});
