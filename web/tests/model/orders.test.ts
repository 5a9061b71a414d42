import { describe, expect, it } from "vitest";
import type { QuarantineReason } from "../../src/api/types";
import { means, orderProgress, orderShare, orderTitle } from "../../src/model/orders";
import { order } from "./order";

const cause = (more: Partial<QuarantineReason> = {}): QuarantineReason => ({
  source: "shop",
  stream: "orders",
  reason: "missing",
  field: "placed_at",
  rule: null,
  state: "quarantined",
  held_by: [],
  load: null,
  contract_version: 1,
  message: "placed_at is required.",
  count: 12_000,
  first_at: "2026-01-15T09:00:00Z",
  last_at: "2026-01-15T09:30:00Z",
  owners: ["ann"],
  ...more,
});

describe("an order", () => {
  it("says what was ordered and how far it is", () => {
    expect(orderTitle(order())).toBe("Dismissal of 12,000 records: orders, missing, field placed_at");
    expect(orderTitle(order({ verb: "replay", selection: {}, selected: 1 }))).toBe("Replay of 1 record");
    expect(orderProgress(order())).toBe("5,990 given up, 10 others decided about");
    expect(orderProgress(order({ verb: "replay", decided: 2, settled: 0, failing: 3 }))).toBe(
      "2 replayed, 3 do not pass",
    );
    const preview = order({ verb: "preview", passing: 40, decided: 0, settled: 0, failing: 2 });
    expect(orderProgress(preview)).toBe("40 would pass, 2 do not pass");
    expect(orderTitle(preview)).toMatch(/^Preview of /);
    expect(orderShare(order())).toBe(0.5);
    expect(orderShare(order({ state: "done", matched: 11_999 }))).toBe(1);
    expect(orderShare(order({ selected: 0 }))).toBe(0);
  });

  it("belongs to the causes that its selection names, and to no other", () => {
    expect(means(order(), cause())).toBe(true);
    expect(means(order({ selection: {} }), cause())).toBe(true);
    expect(means(order({ selection: {}, verb: "release" }), cause())).toBe(false);
    expect(means(order(), cause({ field: "amount" }))).toBe(false);
    expect(means(order(), cause({ state: "held", held_by: ["usual"] }))).toBe(false);
    expect(means(order({ verb: "preview" }), cause())).toBe(false);
    const held = order({ verb: "release", selection: { source: "shop", held_by: ["usual"], state: "held" } });
    expect(means(held, cause({ state: "held", held_by: ["usual"] }))).toBe(true);
    expect(means(held, cause({ state: "held", held_by: ["usual", "known"] }))).toBe(false);
    const load = order({ verb: "release", selection: { load: "l-1" } });
    expect(means(load, cause({ state: "held", held_by: ["rowCount"], load: "l-1" }))).toBe(true);
    expect(means(load, cause({ state: "held", held_by: ["rowCount"], load: "l-2" }))).toBe(false);
  });
});
