/** What the page of journeys says in words: also that nobody entered, and that something is not over yet. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { Adoption, Cohorts, Funnel, Journey, Retention } from "../../src/api/journeys";
import type { Meta } from "../../src/api/types";
import type { Resource } from "../../src/data/resource";
import { AdoptionView } from "../../src/pages/journeys/AdoptionView";
import { CohortsView } from "../../src/pages/journeys/CohortsView";
import { FunnelView } from "../../src/pages/journeys/FunnelView";
import { RetentionView } from "../../src/pages/journeys/RetentionView";

const META: Meta = {
  generated_at: "2026-01-15T12:00:00Z",
  as_of: "2026-01-15T12:00:00Z",
  freshness_seconds: 3,
  grade: "fresh",
  missing: [],
  replay: null,
  next_cursor: null,
};
const JOURNEY: Journey = {
  name: "buying",
  kind: "funnel",
  label: "Buying",
  description: "",
  subject: "customer",
  events: [],
  since: null,
  window_seconds: 172_800,
  breakdown: { property: "page", values: ["old", "new"] },
  every: "week",
  period: "month",
  metric: "clicks",
  counts: "within",
};
const ANSWER = {
  journey: JOURNEY,
  from: "2026-01-01",
  to: "2026-01-15",
  segment: null,
  as_of: META.as_of,
  computed_at: META.as_of,
};
const resource = <T,>(data: T, error: Error | null = null): Resource<T> => ({
  data,
  meta: META,
  receivedAt: 0,
  error,
  loading: false,
  refresh: () => undefined,
});
const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/[\s\u2009\u00a0]+/g, " ")
    .trim();

const step = (name: string, count: number, of_previous: number, of_first: number, seconds: number | null) => ({
  name,
  label: name,
  count,
  of_previous,
  of_first,
  seconds_from_previous: seconds,
  seconds_from_first: seconds,
});
const STEPS = [step("Seen", 200, 1, 1, null), step("Bought", 50, 0.25, 0.25, 7200)];
const FUNNEL: Funnel = { ...ANSWER, steps: STEPS, conversion: 0.25, open: 7, crossed: 0, variants: [] };

describe("a funnel", () => {
  it("says how far each step is reached and who dropped out", () => {
    const said = words(renderToStaticMarkup(<FunnelView answer={resource(FUNNEL, new Error("No answer."))} />));
    expect(said).toContain("Seen 200 100 %");
    expect(said).toContain("150 dropped out (75.0 %)");
    expect(said).toContain("median 2 h later");
    expect(said).toContain("Bought 50 25.0 %");
    expect(said).toContain("Came to the end 25.0 % 50 customers");
    expect(said).toContain("Still may 7 within 2 d of the first step");
    expect(said).toContain("3 s ago");
    expect(said).toContain("Refresh failed");
    expect(said).not.toContain("By page");
  });

  it("says that nobody entered", () => {
    const nobody = STEPS.map((one) => ({ ...one, count: 0, of_previous: null, of_first: null }));
    const said = words(
      renderToStaticMarkup(<FunnelView answer={resource({ ...FUNNEL, steps: nobody, conversion: null })} />),
    );
    expect(said).toContain("Nobody entered on these days");
    expect(said).toContain("Came to the end – 0 customers");
  });

  it("compares its variants, and warns of those in several", () => {
    const variants = [
      { value: "old", steps: STEPS, conversion: 0.25, difference: null },
      { value: "new", steps: STEPS, conversion: 0.4, difference: { value: 0.15, low: 0.05, high: 0.24, clear: true } },
      { value: null, steps: STEPS, conversion: 0.2, difference: null },
    ];
    const said = words(renderToStaticMarkup(<FunnelView answer={resource({ ...FUNNEL, variants, crossed: 1 })} />));
    expect(said).toContain("By page");
    expect(said).toContain("new 200 50 40.0 % +15.0 pt +5.0 to +24.0 better");
    expect(said).toContain("any other 200 50 20.0 % – –");
    expect(said).toContain("1 customer entered with several values");
  });
});

describe("retention", () => {
  const data: Retention = {
    ...ANSWER,
    cohorts: [
      { begins: "2025-12-29T00:00:00Z", size: 0, brackets: [null, null] },
      {
        begins: "2026-01-05T00:00:00Z",
        size: 40,
        brackets: [
          { count: 40, share: 1, complete: true },
          { count: 10, share: 0.25, complete: false },
        ],
      },
    ],
    overall: [{ count: 40, share: 1, complete: true }, null],
  };

  it("leaves out periods without beginners, and marks what is not over", () => {
    const markup = renderToStaticMarkup(<RetentionView answer={resource(data)} />);
    expect(words(markup)).toContain("Began Size Week 0 Week 1 All complete – 100 % 5 Jan 2026 40 100 % 25.0 %");
    expect(words(markup)).not.toContain("29 Dec");
    expect(markup).toContain('title="10, not over yet"');
    expect(markup.match(/class="heat-open"/g)).toHaveLength(2);
  });

  it("says that nobody began", () => {
    expect(words(renderToStaticMarkup(<RetentionView answer={resource({ ...data, cohorts: [] })} />))).toContain(
      "Nobody began on these days",
    );
  });
});

describe("cohorts", () => {
  it("say the average of everybody, and the sum for the tooltip", () => {
    const data: Cohorts = {
      ...ANSWER,
      cohorts: [
        {
          begins: "2026-01-01T00:00:00Z",
          size: 4,
          brackets: [{ total: 80, customers: 1, average: 20, complete: true }, null],
        },
      ],
    };
    const markup = renderToStaticMarkup(<CohortsView answer={resource(data)} />);
    expect(words(markup)).toContain("clicks a customer and week");
    expect(words(markup)).toContain("Jan 2026 4 20");
    expect(markup).toContain('title="80 in all, by 1 customer"');
    expect(markup).toContain('data-strength="10"');
  });
});

describe("adoption", () => {
  const data: Adoption = {
    ...ANSWER,
    periods: [{ begins: "2026-01-05T00:00:00Z", active: 10, users: 4, share: 0.4, complete: false }],
    began: 8,
    adopted: 2,
    median_days: 3.5,
    by_week: [0.1, 0.25, null],
  };

  it("says how many, and how long it took them", () => {
    const said = words(renderToStaticMarkup(<AdoptionView answer={resource(data)} />));
    expect(said).toContain("Has used it 25.0 % 2 of 8 customers that began on these days");
    expect(said).toContain("Days until then 3.5");
    expect(said).toContain("First day 10.0 % 1 week 25.0 %");
    expect(said).toContain("Jan 2026, not over yet 10 4 40.0 %");
  });

  it("says that nobody was active", () => {
    const nobody = { ...data, periods: [], began: 0, adopted: 0, median_days: null, by_week: [] };
    const said = words(renderToStaticMarkup(<AdoptionView answer={resource(nobody)} />));
    expect(said).toContain("Nobody was active on these days");
    expect(said).toContain("Has used it –");
  });
});
