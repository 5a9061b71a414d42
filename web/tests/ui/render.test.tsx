/** What the parts say without colour: words and signs in the markup itself. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { CustomerHealth, Meta, SourceStatus } from "../../src/api/types";
import { Contributions } from "../../src/pages/customer/Contributions";
import { Equation } from "../../src/pages/data/Equation";
import { BandBadge, Change, GradeMark } from "../../src/ui/Marks";
import { Tile } from "../../src/ui/Tile";
import { contribution } from "../model/contribution";

const META: Meta = {
  generated_at: "2026-01-15T12:00:00Z",
  as_of: "2026-01-15T12:00:00Z",
  freshness_seconds: 3,
  grade: "stale",
  missing: ["crm.accounts: no data since yesterday"],
  replay: null,
  next_cursor: null,
};
const VINTAGE = { meta: META, receivedAt: 0 };
const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();

describe("marks", () => {
  it("say a band in a word and with an icon", () => {
    const markup = renderToStaticMarkup(<BandBadge band="at_risk" bands={null} />);
    expect(words(markup)).toBe("At risk");
    expect(markup).toContain("<svg");
  });

  it("say the direction of a change by sign and arrow", () => {
    const down = renderToStaticMarkup(<Change value={-3.2} />);
    expect(words(down)).toBe("−3.2");
    expect(down).toContain('data-direction="down"');
    expect(words(renderToStaticMarkup(<Change value={0} />))).toBe("±0.0");
  });

  it("say a grade in a word, what is missing on asking, and do not stumble over an unknown one", () => {
    const stale = renderToStaticMarkup(<GradeMark grade="stale" missing={META.missing} />);
    expect(words(stale)).toBe("Stale");
    expect(stale).toContain("crm.accounts");
    expect(words(renderToStaticMarkup(<GradeMark grade="half_baked" />))).toBe("half baked");
  });
});

describe("a tile", () => {
  it("carries its title, grade and age", () => {
    const markup = renderToStaticMarkup(
      <Tile title="Throughput" vintage={VINTAGE}>
        <p>12</p>
      </Tile>,
    );
    expect(words(markup)).toBe("Throughput Stale 3 s ago 12");
  });

  it("names the stream that its age is of, and what that one promises", () => {
    const meta = { ...META, freshness_of: "oulad.clicks", freshness_objective_seconds: 259_200 };
    const markup = renderToStaticMarkup(
      <Tile title="Throughput" vintage={{ ...VINTAGE, meta }}>
        <p>12</p>
      </Tile>,
    );
    expect(words(markup)).toBe("Throughput Stale clicks 3 s ago 12");
    expect(markup.replaceAll("\u00a0", " ")).toContain(
      "Nearest to its objective: oulad.clicks, 3 s old, objective 3 d",
    );
  });

  it("says that a refresh failed, and why", () => {
    const markup = renderToStaticMarkup(
      <Tile title="Throughput" warning={new Error("The database cannot be reached.")}>
        <p>12</p>
      </Tile>,
    );
    expect(words(markup)).toContain("Refresh failed");
    expect(markup).toContain("The database cannot be reached.");
  });

  it("shows names as text and never as markup", () => {
    const markup = renderToStaticMarkup(
      <Tile title={'<img src=x onerror="alert(1)">'}>
        <p>1</p>
      </Tile>,
    );
    expect(markup).not.toContain("<img");
  });
});

const STATUS: SourceStatus = {
  source: "oulad",
  label: "OULAD",
  received: 100,
  accepted: 90,
  duplicate: 5,
  quarantined: 3,
  held: 0,
  discarded: 0,
  pending: 2,
  refused: 4,
  balanced: true,
  lag: 0.4,
  newest_at: null,
  freshness_seconds: null,
  grade: "fresh",
  last_received_at: null,
  streams: [],
  days: [],
  refusals: [],
};

describe("the equation", () => {
  it("is written out, with its verdict", () => {
    const said = words(renderToStaticMarkup(<Equation status={STATUS} vintage={VINTAGE} warning={null} />));
    expect(said).toContain(
      "100 received = 90 accepted + 5 duplicate + 3 quarantined + 0 held + 0 discarded + 2 pending",
    );
    expect(said).toContain("Adds up: no record is lost, none is counted twice.");
    expect(said).toContain("Refused 4");
  });

  it("says by how much it fails, whatever the server claims", () => {
    const wrong = { ...STATUS, accepted: 88 };
    const said = words(renderToStaticMarkup(<Equation status={wrong} vintage={VINTAGE} warning={null} />));
    expect(said).toContain("≠");
    expect(said).toContain("Does not add up: 2 records missing on the right.");
    const failed = { ...STATUS, balanced: false };
    expect(words(renderToStaticMarkup(<Equation status={failed} vintage={VINTAGE} warning={null} />))).toContain(
      "check of its ledgers failed",
    );
  });
});

const HEALTH: CustomerHealth = {
  customer: {
    id: "s:1",
    ref: "r",
    source: "s",
    name: null,
    segment: null,
    plan: null,
    region: null,
    started_at: null,
    churned_at: null,
  },
  score: 34.7,
  band: "at_risk",
  grade: "fresh",
  as_of: META.as_of,
  known_at: META.as_of,
  computed_at: META.as_of,
  change: null,
  model: null,
  contributions: [contribution("Recency", 10.1, 25), contribution("Breadth", 20.2, 25), contribution("Trend", 4.4, 50)],
  history: [],
  timeline: [],
};

describe("the waterfall", () => {
  it("ends in the score and says that it adds up", () => {
    const said = words(renderToStaticMarkup(<Contributions health={HEALTH} vintage={VINTAGE} />));
    expect(said).toMatch(/Score 34\.70 .*Adds up exactly/);
  });

  it("has a legend in the colours of its bars", () => {
    const markup = renderToStaticMarkup(<Contributions health={HEALTH} vintage={VINTAGE} />);
    const tones = (name: string) =>
      new Set([...markup.matchAll(new RegExp(`class="${name}" data-tone="(\\w+)"`, "g"))].map(([, tone]) => tone));
    expect(tones("bar-points").size).toBeGreaterThan(0);
    expect(tones("swatch")).toEqual(new Set([...tones("bar-points")].filter((tone) => tone !== "neutral")));
  });

  it("raises an alarm when it does not", () => {
    const markup = renderToStaticMarkup(<Contributions health={{ ...HEALTH, score: 35 }} vintage={VINTAGE} />);
    expect(markup).toContain('role="alert"');
    expect(words(markup)).toContain("add up to 34.70 and not to the score of 35.00: 0.30 points too few");
    expect(words(markup)).not.toContain("Adds up exactly");
  });
});
