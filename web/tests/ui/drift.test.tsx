/** The tile of drift: what it says with findings, without, and when it cannot ask. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { DriftFinding, DriftFindings } from "../../src/api/types";
import type { Resource } from "../../src/data/resource";
import { Drift } from "../../src/pages/data/Drift";
import { finding } from "../model/finding";

function resource(findings: DriftFinding[] | null, error: Error | null = null): Resource<DriftFindings> {
  const data = findings === null ? null : { findings };
  return {
    data,
    error,
    meta: null,
    receivedAt: null,
    loading: false,
    refresh: () => undefined,
  } as Resource<DriftFindings>;
}

const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();

describe("the tile of drift", () => {
  it("is a timeline by day: field, what happened, how many, and what became of them", () => {
    const markup = renderToStaticMarkup(
      <Drift
        findings={resource([
          finding({ records: 1204 }),
          finding({
            kind: "enum_growth",
            path: "plan",
            observed: "gold",
            policy: "quarantine",
            in_force: false,
            first_at: "2026-01-14T10:00:00Z",
          }),
        ])}
      />,
    );
    const said = words(markup);
    expect(said).toContain("Thu 15 Jan utm is new, a string 1,204 shop.orders v1 · 11:00 · in effect");
    expect(said).toContain(
      "plan has the value gold 5 shop.orders v1, before the contract in force · 10:00 · quarantine",
    );
    expect(markup).toContain('data-past="true"');
  });

  it("says that all is as declared", () => {
    expect(words(renderToStaticMarkup(<Drift findings={resource([])} />))).toContain("No stream departs");
  });

  it("says that it could not ask", () => {
    const markup = renderToStaticMarkup(<Drift findings={resource(null, new Error("away"))} />);
    expect(words(markup)).not.toContain("No stream departs");
  });
});
