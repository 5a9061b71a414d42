import { describe, expect, it } from "vitest";
import { byDay, outcome, sentence } from "../../src/model/drift";
import { finding } from "./finding";

describe("findings by day", () => {
  it("come latest day first, and keep their order within it", () => {
    const days = byDay([
      finding({ path: "a", first_at: "2026-01-14T10:00:00Z" }),
      finding({ path: "b", first_at: "2026-01-15T10:00:00Z" }),
      finding({ path: "c", first_at: "2026-01-14T09:00:00Z" }),
    ]);
    expect(days.map(({ day, findings }) => [day, findings.map(({ path }) => path)])).toEqual([
      ["2026-01-15", ["b"]],
      ["2026-01-14", ["a", "c"]],
    ]);
  });
});

describe("a finding in words", () => {
  it.each([
    [finding(), "is new, a string"],
    [finding({ types: ["integer", "string"] }), "is new, an integer or string"],
    [finding({ types: [] }), "is new"],
    [finding({ path: "*" }), "keys that are not declared and do not look like names, or too many of them"],
    [finding({ kind: "missing_field", evidence: { required: true } }), "is missing, and required"],
    [finding({ kind: "missing_field", evidence: { required: false } }), "no longer comes"],
    [finding({ kind: "type_change", observed: "string" }), "comes as string"],
    [
      finding({ kind: "type_change", observed: "string", evidence: { read: true } }),
      "comes as string now, and is read",
    ],
    [finding({ kind: "enum_growth", observed: "go\u202Eld" }), "has the value gold"],
    [finding({ kind: "enum_growth" }), "has a value that is not allowed"],
    [
      finding({ kind: "rename", observed: "amount", evidence: { overlap: 0.964, compared: 50 } }),
      "is probably amount renamed: 96\u2009% of 50 values are the same",
    ],
    [
      finding({ kind: "rename", observed: "amount", evidence: { overlap: 0, compared: 0 } }),
      "is probably amount renamed",
    ],
    [finding({ kind: "of_a_later_release" }), "of a later release"],
  ])("%#", (one, words) => {
    expect(sentence(one)).toBe(words);
  });
});

describe("what became of the records", () => {
  it.each([
    [finding(), "in effect"],
    [finding({ policy: "freeze" }), "quarantine, frozen"],
    [finding({ policy: "discard_value" }), "in effect"],
    [finding({ policy: "discard_row", discarded: 3 }), "discarded"],
    [finding({ policy: "discard_row" }), "to be discarded"],
    [finding({ kind: "type_change", policy: "evolve" }), "quarantine"],
    [finding({ kind: "type_change", policy: "discard_value" }), "in effect, without the value"],
    [finding({ kind: "type_change", policy: "quarantine", evidence: { read: true } }), null],
    [finding({ kind: "missing_field", policy: "quarantine", evidence: { required: false } }), null],
    [finding({ kind: "rename", policy: null }), null],
  ])("%#", (one, words) => {
    expect(outcome(one)).toBe(words);
  });
});
