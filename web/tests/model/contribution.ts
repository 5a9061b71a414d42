import type { Contribution } from "../../src/api/types";

/** A contribution of which only the points matter. */
export function contribution(component: string, points: number, weight: number): Contribution {
  return {
    component,
    label: component,
    points,
    weight,
    reason: `Because of ${component}.`,
    input: { value: 1, unit: "days", age_seconds: 60, grade: "fresh", left_out: 0 },
  };
}
