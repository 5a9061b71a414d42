/** Events of the timeline, and what else was said of them. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { TimelineEntry } from "../../src/api/types";
import Properties, { told } from "../../src/pages/customer/Properties";
import { Timeline } from "../../src/pages/customer/Timeline";

const entry = (more: Partial<TimelineEntry> = {}): TimelineEntry => ({
  at: "2026-01-15T10:00:00Z",
  kind: "event",
  title: "clicked",
  detail: "News",
  source: "hubspot",
  stream: "email_events",
  quantity: null,
  properties: null,
  properties_left_out: false,
  ...more,
});
const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/[\s\u2009\u00a0]+/g, " ")
    .trim();
const vintage = { meta: null, receivedAt: null };

describe("properties of events", () => {
  it("are offered where an event has some, and only there", () => {
    const buttons = (one: TimelineEntry) =>
      renderToStaticMarkup(<Timeline entries={[one]} vintage={vintage} />).match(/aria-expanded="false"/g)?.length ?? 0;
    expect(buttons(entry())).toBe(0);
    expect(buttons(entry({ properties: { channel: "email" } }))).toBe(1);
    expect(buttons(entry({ properties_left_out: true }))).toBe(1);
  });

  it("are told as they came, those of a folded line each by itself", () => {
    const said = words(
      renderToStaticMarkup(
        <Properties
          entries={[
            entry({ properties: { channel: "email", tags: ["a", 1], n: 2.5 } }),
            entry({ at: "2026-01-15T09:00:00Z", properties_left_out: true }),
          ]}
        />,
      ),
    );
    expect(said).toContain("channel email");
    expect(said).toContain("n 2.5");
    expect(said).toContain("Too long to be kept here");
    expect(told(["a", 1])).toBe('["a",1]');
  });

  it("of a long line are those of its newest events", () => {
    const many = Array.from({ length: 23 }, (_, n) => entry({ properties: { n: `x${n}` } }));
    const said = words(renderToStaticMarkup(<Properties entries={many} />));
    expect(said).toContain("n x19");
    expect(said).not.toContain("n x20");
    expect(said).toContain("3 earlier events");
  });
});
