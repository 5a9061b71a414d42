/** What is unusual, in words and beside what was expected. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { Anomaly, FoundAnomalies } from "../../src/api/anomalies";
import { anomalyLine, anomalySubject } from "../../src/model/anomalies";
import { Anomalies } from "../../src/pages/quality/Anomalies";

const anomaly = (more: Partial<Anomaly> = {}): Anomaly => ({
  signal: "volume",
  source: "shop",
  stream: "orders",
  name: "",
  at: "2026-01-14T00:00:00Z",
  tier: "error",
  value: 0,
  expected: 1000,
  low: 657.03,
  high: 1521.7,
  deviation: -9.5,
  seen_at: "2026-01-15T00:20:00Z",
  ended_at: null,
  muted: false,
  ...more,
});
const found = (...anomalies: Anomaly[]): FoundAnomalies => ({
  from: "2025-12-19",
  to: "2026-01-15",
  anomalies,
  mutes: [],
});
const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/[\s\u2009\u00a0]+/g, " ")
    .trim();
const nothing = () => undefined;

describe("anomalies", () => {
  it("stand beside what was expected, in the signal's unit", () => {
    expect(anomalyLine(anomaly())).toBe("0, expected 657 to 1,522");
    expect(anomalyLine(anomaly({ signal: "missing", value: 0.4, low: 0, high: 0.031 }))).toContain("expected 0");
    expect(words(anomalyLine(anomaly({ signal: "freshness", value: 54_300, high: 30_000 })))).toContain(
      "nothing for 15 h",
    );
  });

  it("name a field, a stream or a metric", () => {
    expect(anomalySubject(anomaly({ name: "amount" }))).toBe("shop.orders.amount");
    expect(anomalySubject(anomaly({ source: "", stream: "", name: "events" }))).toBe("events");
  });

  it("say when they ended, and that they are muted", () => {
    const said = words(
      renderToStaticMarkup(
        <Anomalies
          found={found(
            anomaly({ ended_at: "2026-01-15T08:00:00Z" }),
            anomaly({ signal: "metric", source: "", stream: "", name: "events", muted: true, tier: "warn" }),
          )}
          refresh={nothing}
        />,
      ),
    );
    expect(said).toContain("Records of shop.orders error 0, expected 657 to 1,522");
    expect(said).toContain("ended");
    expect(said).toContain("Metric events warn");
    expect(said).toContain("muted");
  });

  it("say that there is none, and when there could be", () => {
    const said = words(renderToStaticMarkup(<Anomalies found={found()} refresh={nothing} />));
    expect(said).toContain("Nothing unusual");
    expect(said).toContain("three weeks");
  });
});
