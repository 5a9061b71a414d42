/** Quality in words, and as lines over days. */

import type { Dimension, Quality, QualityDay, QualityGrade, QualityScore } from "../api/quality";
import * as number from "../format/number";
import type { Tone } from "./bands";

export interface DimensionLook {
  name: Dimension;
  label: string;
  help: string;
}

export const DIMENSIONS: readonly DimensionLook[] = [
  { name: "completeness", label: "Completeness", help: "what should have a value has one" },
  { name: "validity", label: "Validity", help: "values can be read, are allowed and within their limits" },
  { name: "consistency", label: "Consistency", help: "rules over several fields hold, and systems agree" },
  { name: "uniqueness", label: "Uniqueness", help: "what came once came only once" },
  { name: "timeliness", label: "Timeliness", help: "records came in time to count where they belong" },
  {
    name: "accuracy",
    label: "Accuracy",
    help: "values are those of another system or record that is held to be right",
  },
];

export function dimensionLabel(name: Dimension): string {
  return DIMENSIONS.find((one) => one.name === name)?.label ?? name.replaceAll("_", " ");
}

const LOOKS: Record<string, { label: string; tone: Tone; help: string }> = {
  good: { label: "Good", tone: "good", help: "nothing that is measured lies below 99 %" },
  fair: { label: "Fair", tone: "fair", help: "nothing lies below 90 %, and no objective is missed" },
  poor: { label: "Poor", tone: "bad", help: "something lies below 90 %, or misses its objective" },
  none: { label: "Not checked", tone: "neutral", help: "nothing was checked on these days" },
};

export function qualityLook(grade: QualityGrade): { label: string; tone: Tone; help: string } {
  return LOOKS[grade] ?? { label: grade.replaceAll("_", " "), tone: "neutral", help: "graded by the server" };
}

export interface DayPoint {
  at: string;
  value: number;
  records: number;
}

/** The days on which a dimension was measured, as points of a line. */
export function series(days: readonly QualityDay[], dimension: Dimension): DayPoint[] {
  return days.flatMap((day) => {
    const value = day[dimension];
    return typeof value === "number" ? [{ at: `${day.day}T00:00:00Z`, value, records: day.records }] : [];
  });
}

/** Where a chart of shares begins: what happens near 100 % should be seen, and none of it magnified beyond a tenth. */
export function floorOf(points: readonly { value: number }[], objective: number | null): number {
  const least = Math.min(0.9, objective ?? 1, ...points.map(({ value }) => value));
  return Math.max(0, Math.floor(least * 10 - 1e-9) / 10);
}

/** Between the marks of a scale from there to 100 %. */
export function stepFrom(low: number): number {
  const span = Math.round((1 - low) * 10) / 10;
  return span <= 0.2 ? span / 4 : span <= 0.5 ? 0.1 : span === 1 ? 0.25 : 0.2;
}

/** A change of a share in points of a hundred; what rounds to nothing is told as none. */
export function points(change: number | null): number | null {
  return change === null ? null : Math.round(change * 1000) / 10;
}

/** What a score says beside its share: the objective it has, or how much is behind it. */
export function scoreNote(score: QualityScore): string {
  const bad = score.of - score.good;
  const wrong = bad === 0 ? "none wrong" : `${number.shortCount(bad)} wrong`;
  if (score.of === 0) return "nothing to measure";
  if (score.interval !== null) {
    const { low, high } = score.interval;
    const missed = score.breached ? `, objective ${number.share(score.objective)} missed` : "";
    return `${number.share(low)} to ${number.share(high)}, of ${number.shortCount(score.of)}${missed}`;
  }
  if (score.objective === null) return `${wrong} of ${number.shortCount(score.of)}`;
  return `objective ${number.share(score.objective)} ${score.breached ? "missed" : "met"}`;
}

/** What was chosen, unless it is of another source than the one that is shown. */
export function stillChosen<Chosen extends { source: string }>(chosen: Chosen | null, source: string | null) {
  return chosen !== null && (source === null || chosen.source === source) ? chosen : null;
}

/** The dimensions that can be shown over time, in their order. */
export function measured(quality: Quality): DimensionLook[] {
  return DIMENSIONS.filter(({ name }) => (quality.scores[name]?.of ?? 0) > 0);
}
