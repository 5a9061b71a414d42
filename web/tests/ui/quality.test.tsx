/** What the quality page says in words: also what is not measured, what misses its objective, and that nothing is wrong. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { QualityImpact } from "../../src/api/quality";
import type { Meta } from "../../src/api/types";
import { Breaches } from "../../src/pages/quality/Breaches";
import { Fields } from "../../src/pages/quality/Fields";
import { Impact } from "../../src/pages/quality/Impact";
import { OverTime } from "../../src/pages/quality/OverTime";
import { Scores } from "../../src/pages/quality/Scores";
import { Sources } from "../../src/pages/quality/Sources";
import { Uniqueness } from "../../src/pages/quality/Uniqueness";
import { field, metrics, quality, score } from "../model/quality";

const META: Meta = {
  generated_at: "2026-01-15T12:00:00Z",
  as_of: "2026-01-15T12:00:00Z",
  freshness_seconds: 3,
  grade: "fresh",
  missing: [],
  replay: null,
  next_cursor: null,
};
const VINTAGE = { meta: META, receivedAt: 0 };
const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/[\s\u2009\u00a0]+/g, " ")
    .trim();
const nothing = () => undefined;

describe("the scores of whole records", () => {
  it("say each dimension, why accuracy is not stated, and how old all of it is", () => {
    const overall = quality({
      grade: "poor",
      worst: "completeness",
      scores: {
        completeness: score(900, 1000, { change: -0.021, objective: 0.95, breached: true }),
        validity: score(999, 1000),
      },
      unmeasured: { accuracy: "Nothing has been compared with a truth." },
    });
    const markup = renderToStaticMarkup(
      <Scores quality={metrics({ overall })} vintage={VINTAGE} warning={new Error("No answer.")} />,
    );
    const said = words(markup);
    expect(said).toContain("Completeness 90.0 % −2.1 objective 95.0 % missed");
    expect(said).toContain("Validity 99.9 %");
    expect(said).toContain("Timeliness – nothing to measure");
    expect(said).toContain("Accuracy – not measured Nothing has been compared with a truth.");
    expect(said).toContain("Poor");
    expect(said).toContain("3 s ago");
    expect(said).toContain("Refresh failed");
    expect(markup.match(/data-breached/g)).toHaveLength(1);
  });
});

describe("the worst fields", () => {
  const bad = field("customer", {
    grade: "poor",
    worst: "completeness",
    scores: { completeness: score(750, 1000, { objective: 0.95, breached: true }), validity: score(750, 750) },
  });

  it("say what holds each down, and can be chosen with the keyboard", () => {
    const markup = renderToStaticMarkup(
      <Fields
        quality={metrics({ fields: [bad, field("kind", { required: false })], fields_total: 40 })}
        chosen={bad}
        onChoose={nothing}
        vintage={VINTAGE}
      />,
    );
    const said = words(markup);
    expect(said).toContain("customer required shop.orders Poor Completeness 75.0 % misses its objective 100 %");
    expect(said).toContain("The worst 2 of 40 fields.");
    expect(markup).toContain('aria-label="History of customer of shop.orders"');
    expect(markup.match(/aria-pressed="true"/g)).toHaveLength(1);
    expect(markup.match(/<button type="button"/g)).toHaveLength(2);
  });

  it("say that there is none", () => {
    const markup = renderToStaticMarkup(
      <Fields quality={metrics()} chosen={null} onChoose={nothing} vintage={VINTAGE} />,
    );
    expect(words(markup)).toContain("No field was checked on these days");
  });
});

describe("quality over time", () => {
  const day = (date: string, value: number) => ({ day: date, records: 10, breached: false, validity: value });
  const drawn = (...days: ReturnType<typeof day>[]) =>
    words(
      renderToStaticMarkup(
        <OverTime
          quality={metrics({ overall: quality({ scores: { validity: score(9, 10) }, days }) })}
          field={null}
          from="2026-01-01"
          vintage={VINTAGE}
          onLeave={nothing}
        />,
      ),
    );

  it("has its figures as a table, newest first, in the dimension that is measured", () => {
    const said = drawn(day("2026-01-14", 0.8), day("2026-01-15", 0.9));
    expect(said).toContain("Thu, 15 Jan 2026 90.0 % 10 Wed, 14 Jan 2026 80.0 % 10");
    expect(said).toContain("3 s ago");
  });

  it("draws no line through one day, and says the day", () => {
    expect(drawn(day("2026-01-15", 0.9))).toContain("90.0 % on 15 Jan 2026");
    expect(drawn()).toContain("No validity on these days");
  });
});

describe("streams", () => {
  it("say whether they are fresh beside how good they are", () => {
    const stream = {
      ...quality({ grade: "fair" as const, scores: { completeness: score(98, 100) } }),
      source: "shop",
      stream: "orders",
      records: 100,
      completeness: { value: 1, good: 1, of: 1 },
      validity: { value: 1, good: 1, of: 1 },
      freshness: { seconds: 7200, objective_seconds: 3600, met: false },
    };
    const markup = renderToStaticMarkup(<Sources streams={[stream]} vintage={VINTAGE} />);
    expect(words(markup)).toContain("shop orders Fair 98.0 % – – stale");
    expect(words(renderToStaticMarkup(<Sources streams={[]} vintage={VINTAGE} />))).toContain("Nothing received yet");
  });
});

describe("what rests on bad data", () => {
  const none: QualityImpact = {
    from: "2026-01-01",
    to: "2026-01-15",
    customers: 0,
    scored: 0,
    known: 0,
    metrics: [],
    components: [],
    attributes: [],
    streams: [],
  };

  it("names customers, metrics and fields", () => {
    const stream = {
      source: "shop",
      stream: "orders",
      quarantined: 12,
      customers: 3,
      unattributed: 2,
      metrics: ["events"],
      components: ["usage.activity"],
      attributes: [],
      fields: [{ field: "page", missing: 5, checked: 100, uses: [] }],
    };
    const impact = { ...none, customers: 3, scored: 2, known: 40, metrics: ["events"], streams: [stream] };
    const said = words(renderToStaticMarkup(<Impact impact={impact} />));
    expect(said).toContain("3 of 40 customers have records that wait; 2 of them have a score");
    expect(said).toContain("Metrics events");
    expect(said).toContain("shop.orders 12 wait of 3 customers · 2 of nobody that is known");
    expect(said).toContain("page is missing in 5 of 100");
  });

  it("is nothing where nothing is bad", () => {
    expect(words(renderToStaticMarkup(<Impact impact={none} />))).toContain("Nothing rests on bad data");
  });
});

describe("missed objectives", () => {
  it("say field, day, value and objective", () => {
    const breach = {
      source: "shop",
      stream: "orders",
      field: "customer",
      day: "2026-01-14",
      dimension: "completeness",
      value: 0.93,
      objective: 0.95,
      seen_at: "2026-01-14T10:00:00Z",
    };
    const said = words(renderToStaticMarkup(<Breaches breaches={[breach]} vintage={VINTAGE} />));
    expect(said).toContain("customer 93.0 % shop.orders · completeness, objective 95.0 % Wed, 14 Jan 2026");
    expect(words(renderToStaticMarkup(<Breaches breaches={[]} vintage={VINTAGE} />))).toContain("No missed objective");
  });
});

describe("what is to come once", () => {
  const held = { source: "shop", stream: "accounts", method: "unique", name: "shop.accounts", interval: null };
  const measured = [{ ...held, measured_at: "2026-01-15T12:00:00Z", value: 0.9, good: 90, of: 100 }];
  const mail = { ...field("mail", { scores: { uniqueness: score(90, 100, { measured }) } }), stream: "accounts" };
  const id = field("id", { scores: { uniqueness: score(995, 1000, { change: -0.002 }) } });
  const stream = {
    ...quality({ scores: { uniqueness: score(995, 1000) } }),
    source: "shop",
    stream: "orders",
    records: 1000,
    completeness: { value: 1, good: 1, of: 1 },
    validity: { value: 1, good: 1, of: 1 },
    freshness: { seconds: 1, objective_seconds: 3600, met: true },
  };

  it("is told of streams and fields, the worst first, with its history and who shares", () => {
    const markup = renderToStaticMarkup(
      <Uniqueness
        quality={metrics({ streams: [stream], fields: [id, field("kind"), mail] })}
        chosen={mail}
        onChoose={nothing}
      />,
    );
    const said = words(markup.slice(markup.indexOf("<tbody>")));
    expect(said).toMatch(
      /^mail shop\.accounts values of all entities 90\.0 % 10 100 .*whole records shop\.orders repeats of events 99\.5 % 5 1,000 .*id shop\.orders/,
    );
    expect(said).not.toContain("kind");
    expect(markup).toContain('aria-label="Who shares mail of shop.accounts"');
    // Of events, repeats are dropped: there is nobody to list.
    expect(markup.match(/aria-expanded/g)).toHaveLength(1);
    expect(markup.match(/aria-pressed="true"/g)).toHaveLength(1);
  });

  it("says what may be declared where nothing is", () => {
    const markup = renderToStaticMarkup(<Uniqueness quality={metrics()} chosen={null} onChoose={nothing} />);
    expect(words(markup)).toContain("Nothing is declared to come once");
  });
});
