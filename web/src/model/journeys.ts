/** What a journey's answer means, apart from how it is drawn. */

import type { CohortRow, Every, FunnelStep, FunnelVariant, Journey, JourneyKind, Period } from "../api/journeys";
import * as number from "../format/number";
import * as time from "../format/time";

export const KIND_LABELS: Record<JourneyKind, string> = {
  funnel: "Funnel",
  retention: "Retention",
  cohort: "Cohorts",
  adoption: "Adoption",
};

const ADDRESSES: Record<JourneyKind, string> = {
  funnel: "funnels",
  retention: "retention",
  cohort: "cohorts",
  adoption: "adoption",
};

/** The address of a journey's answer, below the API's base. */
export function answerPath({ kind, name }: Journey): string {
  return `/analytics/${ADDRESSES[kind]}/${encodeURIComponent(name)}`;
}

/** The spans that are worth asking for: what is looked at by the month wants a year. */
export function spansOf({ kind, every, period }: Journey): readonly { value: string; label: string; title: string }[] {
  const days =
    kind === "funnel"
      ? [30, 90, 365]
      : (every === "day" && kind === "retention") || period === "day"
        ? [14, 30, 90]
        : [84, 182, 364];
  return days.map((one) => ({ value: String(one), label: spanLabel(one), title: `the last ${one} days` }));
}

function spanLabel(days: number): string {
  if (days >= 364) return "1 y";
  return days % 7 === 0 && days > 30 ? `${days / 7} wk` : `${days} d`;
}

export interface Drop {
  lost: number;
  share: number | null;
}

/** Who took the step before and not this one. */
export function dropAt(steps: readonly FunnelStep[], place: number): Drop | null {
  const [before, step] = [steps[place - 1], steps[place]];
  if (before === undefined || step === undefined) return null;
  return { lost: before.count - step.count, share: step.of_previous === null ? null : 1 - step.of_previous };
}

/** A difference of shares with its interval, in points of a hundred, and in words what it says. */
export function differenceOf({
  difference,
}: FunnelVariant): { text: string; interval: string; verdict: Verdict } | null {
  if (difference === null) return null;
  const points = (share: number) => number.change(share * 100);
  return {
    text: `${points(difference.value)} pt`,
    interval: `${points(difference.low)} to ${points(difference.high)}`,
    verdict: !difference.clear ? "unclear" : difference.value > 0 ? "better" : "worse",
  };
}

export type Verdict = "better" | "worse" | "unclear";

/** The name of a bracket: "Week 3". */
export function bracketLabel(every: Every | undefined, place: number): string {
  return `${every === "day" ? "Day" : "Week"} ${place}`;
}

/** The name of a period by its first day. */
export function periodLabel(period: Period | undefined, begins: string): string {
  return period === "month" ? time.month(begins) : time.day(begins);
}

/** The periods in which somebody began, latest last. */
export function begun<T>(rows: readonly CohortRow<T>[]): readonly CohortRow<T>[] {
  return rows.filter((row) => row.size > 0);
}

/** How strong a cell is coloured, 0 to 1, in steps that the eye can tell apart. */
export function strength(value: number | null, most: number): number {
  if (value === null || most <= 0) return 0;
  return Math.round(Math.min(1, Math.max(0, value / most)) * 10) / 10;
}
