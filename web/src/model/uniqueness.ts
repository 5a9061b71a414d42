/** What is to come once, in lines: streams of events, fields that tell their records apart, fields declared unique. */

import type { FieldQuality, QualityMetrics, QualityScore } from "../api/quality";

export { points } from "./quality";

export interface Repeated {
  key: string;
  source: string;
  streamName: string;
  /** Source and stream. */
  stream: string;
  /** Empty of whole records. */
  field: string;
  score: QualityScore;
  /** What its history is of; null of whole records. */
  quality: FieldQuality | null;
}

/** The lowest share first, then the most that came again. */
export function repeated({ streams, fields }: QualityMetrics): Repeated[] {
  const found = [
    ...streams.map((one) => ({ ...one, field: "", quality: null })),
    ...fields.map((one) => ({ ...one, quality: one })),
  ].flatMap(({ source, stream, field, scores, quality }) => {
    const score = scores.uniqueness;
    if (score === undefined || score.of === 0) return [];
    const name = `${source}.${stream}`;
    return [{ key: `${name}.${field}`, source, streamName: stream, stream: name, field, score, quality }];
  });
  return found.sort(
    (one, other) =>
      (one.score.value ?? 1) - (other.score.value ?? 1) ||
      other.score.of - other.score.good - (one.score.of - one.score.good) ||
      one.key.localeCompare(other.key),
  );
}

/** What was counted. */
export function wayLabel(score: QualityScore): string {
  return score.measured.some(({ method }) => method === "unique") ? "values of all entities" : "repeats of events";
}
