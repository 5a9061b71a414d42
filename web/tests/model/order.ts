import type { Order } from "../../src/api/quarantine";

/** An order that is halfway. */
export function order(more: Partial<Order> = {}): Order {
  return {
    id: "7b1c9e62-0c55-4d2a-9a52-8f2f0f4c1d11",
    verb: "dismiss",
    selection: { source: "shop", stream: "orders", reason: "missing", field: "placed_at", state: "quarantined" },
    source: "shop",
    by: "user:ann",
    why: "test orders",
    ordered_at: "2026-01-15T10:00:00Z",
    selected: 12_000,
    state: "running",
    matched: 6_000,
    passing: 0,
    decided: 5_990,
    underway: 0,
    settled: 10,
    failing: 0,
    failures: [],
    error: null,
    ended_at: null,
    ...more,
  };
}
