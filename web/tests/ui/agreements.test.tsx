/** What the panel says of systems that are compared: how many agree, how sure that is, and what was left out. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { Agreement, Difference, SideCounts } from "../../src/api/agreements";
import { differenceLine, valuesLine } from "../../src/model/agreements";
import { Agreements } from "../../src/pages/quality/Agreements";

const SIDE: SideCounts = { total: 120, matched: 100, only: 17, ambiguous: 2, unkeyed: 0, unsettled: 1 };
const ONE: Agreement = {
  name: "crm_and_billing",
  label: "CRM and billing",
  description: "",
  version: 1,
  left: { source: "crm", stream: "accounts", by: "email" },
  right: { source: "billing", stream: "customers", by: "contact" },
  truth: "right",
  settle_seconds: 0,
  problem: null,
  latest: {
    at: "2026-01-15T12:00:00Z",
    version: 1,
    value: 0.95,
    good: 95,
    of: 100,
    interval: { low: 0.888, high: 0.978 },
    matched: 100,
    ambiguous: 1,
    left: SIDE,
    right: { ...SIDE, total: 100, only: 0, ambiguous: 0, unsettled: 0 },
    compared: [
      {
        left: "plan",
        right: "tier",
        agreeing: 95,
        differing: 5,
        missing_left: 0,
        missing_right: 3,
        value: 0.95,
        good: 95,
        of: 100,
        interval: { low: 0.888, high: 0.978 },
      },
    ],
  },
  days: [],
};
const DIFFERENCE: Difference = {
  kind: "differing",
  attributes: { left: "plan", right: "tier" },
  left: "00ff",
  right: "11ff",
  left_id: "crm:A1",
  right_id: null,
  left_value: "pro",
  right_value: null,
  changed_at: "2026-01-15T12:00:00Z",
};
const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/[\s\u2009\u00a0]+/g, " ")
    .trim();
const shown = (agreements: Agreement[]) =>
  words(renderToStaticMarkup(<Agreements found={{ from: "2026-01-01", to: "2026-01-15", agreements }} />));

describe("systems that are compared", () => {
  it("say the rate with its interval, the truth, and what was left out", () => {
    const said = shown([ONE]);
    expect(said).toContain("crm.accounts beside billing.customers · billing is held to be the truth");
    expect(said).toContain("95.0 % 88.8 % to 97.8 %, of 100");
    expect(said).toContain("crm: 17 on this side only, 2 with a key that is not theirs alone, 1 changed too lately");
    expect(said).not.toContain("billing: ");
    expect(said).toContain("plan / tier 95.0 % 88.8 % to 97.8 %, of 100 5 3");
  });

  it("say why one is not compared, and that none is", () => {
    const said = shown([{ ...ONE, latest: null, truth: "neither", problem: "No contract is in force." }]);
    expect(said).toContain("neither is held to be the truth");
    expect(said).toContain("Not compared: No contract is in force.");
    expect(said).toContain("not compared yet");
    expect(shown([])).toContain("No systems are compared");
  });
});

describe("an entity that differs", () => {
  it("is told with its values where nobody is told by them", () => {
    expect(differenceLine(DIFFERENCE, ONE)).toBe("plan / tier");
    expect(valuesLine(DIFFERENCE)).toBe("pro ≠ –");
    expect(valuesLine({ ...DIFFERENCE, left_value: null })).toBe("personal, not shown");
    expect(differenceLine({ ...DIFFERENCE, kind: "missing_right" }, ONE)).toBe("plan / tier: missing in billing");
    expect(differenceLine({ ...DIFFERENCE, kind: "only_left", attributes: null }, ONE)).toBe("only in crm");
    expect(valuesLine({ ...DIFFERENCE, kind: "only_left" })).toBeNull();
  });
});
