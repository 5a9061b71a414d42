/** One record and the orders about many: what they say without colour, and what only some may see. */

import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, describe, expect, it } from "vitest";
import type { QuarantineContent, QuarantineRecord } from "../../src/api/quarantine";
import { session } from "../../src/api/session";
import { OrderProgress, Orders } from "../../src/pages/data/Orders";
import { Mend } from "../../src/pages/record/Mend";
import { Payload } from "../../src/pages/record/Payload";
import { Settle } from "../../src/pages/record/Settle";
import { order } from "../model/order";

const record = (more: Partial<QuarantineRecord> = {}): QuarantineRecord => ({
  id: "3f0a2c9e-5d1b-5c7e-8a64-1b9d2e7f4c05",
  source: "shop",
  stream: "orders",
  reason: "invalid_time",
  field: "placed_at",
  rule: null,
  message: "placed_at is no time.",
  contract_version: 2,
  received_at: "2026-01-15T10:00:00Z",
  state: "quarantined",
  held_by: [],
  load: null,
  place: { epoch: 1, partition: 0, lane: "live", position: 7, index: 0 },
  decided_at: null,
  owners: ["ann"],
  paths: [["placed_at"]],
  history: [],
  content: null,
  ...more,
});
const content = (more: Partial<QuarantineContent> = {}): QuarantineContent => ({
  origin: "api",
  op: "event",
  record_id: "o-4",
  key: null,
  partition_key: "anna",
  occurred_at: null,
  observed_at: "2026-01-15T10:00:00Z",
  payload: '{"id":"o-4","placed_at":"last Tuesday","note":"<b>"}',
  payload_base64: null,
  ...more,
});
const words = (markup: string) =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/&quot;/g, '"')
    .replace(/\s+/g, " ")
    .trim();
const nothing = () => undefined;
const signedIn = () =>
  session.set({
    status: "signed-in",
    me: {
      name: "ann",
      role: "admin",
      csrf: "c",
      permissions: ["quarantine:decide", "quarantine:reveal"],
      expires_at: "2099-01-01T00:00:00Z",
    },
  });
afterEach(() => session.set({ status: "unknown" }));

describe("a payload", () => {
  it("has the field at fault marked in words, and its text is text", () => {
    const markup = renderToStaticMarkup(<Payload record={record()} content={content()} />);
    const [, marked] = /<mark[^>]*>(.*?)<\/mark>/s.exec(markup) ?? [];
    expect(words(marked ?? "")).toBe('at fault: "placed_at": "last Tuesday",');
    expect(markup).toContain("&lt;b&gt;");
    expect(words(markup)).toContain("Partition key anna");
  });

  it("says that the field is not there, and shows what is no JSON as it came", () => {
    const missing = renderToStaticMarkup(<Payload record={record()} content={content({ payload: '{"id":1}' })} />);
    expect(words(missing)).toContain("It has no field placed_at");
    expect(missing).not.toContain("<mark");
    const broken = renderToStaticMarkup(<Payload record={record()} content={content({ payload: '{"id":' })} />);
    expect(words(broken)).toContain('It cannot be read as JSON. As it came: {"id":');
    const bytes = content({ payload: null, payload_base64: "/w==" });
    expect(words(renderToStaticMarkup(<Payload record={record()} content={bytes} />))).toContain("In base64: /w==");
  });
});

describe("what can be done about a record", () => {
  it("is to correct it, and to let it pass what holds it only where it is held", () => {
    const mend = (one: QuarantineRecord) =>
      renderToStaticMarkup(<Mend record={one} payload={'{"id":1}'} route="/x" refresh={nothing} />);
    expect(mend(record())).not.toContain("checkbox");
    expect(words(mend(record({ state: "held", held_by: ["usual"] })))).toContain("no check that holds");
  });

  it("is to release or dismiss it, as its state allows", () => {
    const settle = (more: Partial<QuarantineRecord>) =>
      words(renderToStaticMarkup(<Settle record={record(more)} refresh={nothing} />));
    expect(settle({})).toContain("Dismiss");
    expect(settle({})).not.toContain("Release");
    expect(settle({ state: "held", held_by: ["usual"] })).toMatch(/Release .*Release Dismiss/);
    expect(settle({ state: "dismissed", held_by: ["usual"] })).not.toMatch(/Dismiss$/);
    expect(settle({ state: "dismissed" })).toBe("");
  });
});

describe("orders", () => {
  it("tell how far they are, and can be cancelled", () => {
    signedIn();
    const markup = renderToStaticMarkup(<Orders orders={[order()]} refresh={nothing} />);
    expect(markup).toContain('aria-valuenow="50"');
    expect(words(markup)).toContain("6,000 of 12,000 looked at: 5,990 given up, 10 others decided about");
    expect(words(markup)).toContain("Cancel the rest");
    expect(renderToStaticMarkup(<Orders orders={[]} refresh={nothing} />)).toBe("");
  });

  it("say what is wrong with the records that stay, and lead to one of them", () => {
    const failures = [
      {
        source: "shop",
        stream: "orders",
        reason: "missing",
        field: "placed_at",
        rule: null,
        message: "placed_at is required.",
        count: 12,
        example: "3f0a",
      },
    ];
    const markup = renderToStaticMarkup(
      <OrderProgress order={order({ verb: "replay", failing: 12, failures })} refresh={nothing} />,
    );
    expect(words(markup)).toContain("12 do not pass");
    expect(words(markup)).toContain("12 missing : placed_at is required. For example");
    expect(markup).toContain('href="/data/shop/records/3f0a"');
  });

  it("say why they failed, and that a load is not left in part", () => {
    const failed = order({ state: "failed", error: "It was released.", ended_at: "2026-01-15T10:05:00Z" });
    const said = words(renderToStaticMarkup(<OrderProgress order={failed} refresh={nothing} />));
    expect(said).toContain("failed 10:05 UTC, ordered by user:ann");
    expect(said).toContain("It was released.");
    expect(said).not.toContain("Cancel");
    const load = order({ verb: "release", selection: { load: "l-1" } });
    expect(words(renderToStaticMarkup(<OrderProgress order={load} refresh={nothing} />))).not.toContain("Cancel");
  });
});
