/** A finding of drift, as the API tells one. */

import type { DriftFinding } from "../../src/api/types";

export function finding(more: Partial<DriftFinding> = {}): DriftFinding {
  return {
    source: "shop",
    stream: "orders",
    contract_version: 1,
    kind: "new_field",
    path: "utm",
    observed: "",
    types: ["string"],
    first_at: "2026-01-15T11:00:00Z",
    last_at: null,
    known_at: "2026-01-15T11:00:01Z",
    records: 5,
    discarded: 0,
    policy: "evolve",
    in_force: true,
    evidence: {},
    ...more,
  };
}
