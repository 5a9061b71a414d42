import { describe, expect, it } from "vitest";
import type { LiveScore, ScoreSummary } from "../../src/api/types";
import { beginScores, reduceScores } from "../../src/live/scores";

const score = (customer_id: string, value: number): LiveScore => ({
  customer_id,
  score: value,
  band: "watch",
  grade: "fresh",
  as_of: "2026-01-15T12:00:00Z",
  change: null,
});
const SUMMARY: ScoreSummary = {
  average: { score: 50, previous: null },
  distribution: [],
  histogram: [],
  movers: { days: 7, up: [], down: [] },
};

describe("live scores", () => {
  it("keep the newest score of each customer and count what touched it", () => {
    const start = beginScores({ scores: [score("a", 1), score("b", 2)] });
    const next = reduceScores(start, [
      { kind: "score", value: score("a", 5) },
      { kind: "touched", value: { customer_id: "a", at: "2026-01-15T12:00:01Z" } },
      { kind: "score", value: score("c", 9) },
    ]);
    expect([...next.scores].map(([id, entry]) => [id, entry.score])).toEqual([
      ["a", 5],
      ["b", 2],
      ["c", 9],
    ]);
    expect(next.revisions.get("a")).toBe(2);
    expect(next.revisions.get("b")).toBeUndefined();
    expect(start.scores.get("a")?.score).toBe(1);
  });

  it("replace the summary as a whole and keep the scores", () => {
    const next = reduceScores(beginScores({ ...SUMMARY, model: null, scores: [score("a", 1)] }), [
      { kind: "summary", value: { ...SUMMARY, average: { score: 51, previous: 50 } } },
    ]);
    expect(next.average).toEqual({ score: 51, previous: 50 });
    expect(next.scores.size).toBe(1);
  });

  it("tell one snapshot from another, because what happened between them is unknown", () => {
    const first = beginScores({ scores: [] });
    const second = beginScores({ scores: [] });
    expect(second.snapshots).toBeGreaterThan(first.snapshots);
  });
});
