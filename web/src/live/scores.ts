/** The state of /stream/health-scores, as the dashboard uses it. */

import type { LiveScore, LiveScores, LiveScoresChange } from "../api/types";

export interface ScoresState extends Omit<LiveScores, "scores"> {
  scores: ReadonlyMap<string, LiveScore>;
  /** A number that rises whenever something of the customer took effect, so that a page knows when to fetch again. */
  revisions: ReadonlyMap<string, number>;
  /** Rises with every snapshot: what happened before it is unknown. */
  snapshots: number;
}

let snapshots = 0;

export function beginScores({ scores, ...summary }: LiveScores): ScoresState {
  snapshots += 1;
  return {
    ...summary,
    scores: new Map(scores.map((score) => [score.customer_id, score])),
    revisions: new Map(),
    snapshots,
  };
}

export function reduceScores(state: ScoresState, changes: readonly LiveScoresChange[]): ScoresState {
  let summary: Partial<ScoresState> = {};
  const scores = new Map(state.scores);
  const revisions = new Map(state.revisions);
  for (const { kind, value } of changes) {
    if (kind === "summary") {
      summary = value;
      continue;
    }
    if (kind !== "score" && kind !== "touched") continue;
    if (kind === "score") scores.set(value.customer_id, value);
    revisions.set(value.customer_id, (revisions.get(value.customer_id) ?? 0) + 1);
  }
  return { ...state, ...summary, scores, revisions };
}
