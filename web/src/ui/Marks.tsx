/** Small signs that stand beside numbers. None speaks by colour alone. */

import type { Band, Grade, Meta } from "../api/types";
import { type Vintage as Age, ageSeconds } from "../data/age";
import { useNow } from "../data/now";
import * as number from "../format/number";
import * as time from "../format/time";
import { bandLook, type Tone } from "../model/bands";
import { gradeLook } from "../model/grades";
import { Icon, type IconName } from "./Icon";

const GRADE_ICONS: Record<string, IconName> = {
  fresh: "dot",
  partial: "half",
  stale: "clock",
  historical: "archive",
  none: "neutral",
};

export function toneIcon(tone: Tone): IconName {
  return tone;
}

export function BandBadge({ band, bands }: { band: string | null; bands?: readonly Band[] | null | undefined }) {
  const look = bandLook(band, bands);
  return (
    <span className="badge" data-tone={look.tone}>
      <Icon name={toneIcon(look.tone)} size={13} />
      {look.label}
    </span>
  );
}

export function GradeMark({ grade, missing = [] }: { grade: Grade; missing?: readonly string[] | undefined }) {
  const look = gradeLook(grade);
  return (
    <span className="grade" data-tone={look.tone} title={[`${look.label}: ${look.help}`, ...missing].join("\n")}>
      <Icon name={GRADE_ICONS[grade] ?? "neutral"} size={12} />
      {look.label}
    </span>
  );
}

/** The age and grade that every tile carries. */
export function Vintage({ meta, receivedAt }: Age) {
  const now = useNow();
  const age = ageSeconds({ meta, receivedAt }, now);
  if (meta === null || age === null) return null;
  const stream = meta.freshness_of?.split(".").at(-1);
  return (
    <span className="vintage">
      <GradeMark grade={meta.grade} missing={meta.missing} />
      <time dateTime={meta.generated_at} title={vintageTitle(meta)}>
        {stream && <span className="vintage-of">{stream} </span>}
        {time.ago(age)}
      </time>
    </span>
  );
}

/** When it was answered, of when it speaks, and which input its age is of. */
export function vintageTitle(meta: Meta): string {
  const lines = [`Answered ${time.exact(meta.generated_at)}`, `Speaks of ${time.exact(meta.as_of)}`];
  if (meta.freshness_of && meta.freshness_seconds !== null) {
    const objective = meta.freshness_objective_seconds;
    const within = objective == null ? "" : `, objective ${time.duration(objective)}`;
    lines.push(`Nearest to its objective: ${meta.freshness_of}, ${time.duration(meta.freshness_seconds)} old${within}`);
  }
  return lines.join("\n");
}

/** A change of a score. Up is good for scores; the arrow and the sign say so too. */
export function Change({ value, unit = "" }: { value: number | null; unit?: string }) {
  if (value === null) return <span className="change muted">{number.NOTHING}</span>;
  const direction = Math.abs(value) < 0.05 ? "flat" : value > 0 ? "up" : "down";
  return (
    <span className="change" data-direction={direction}>
      <Icon name={direction} size={12} />
      {number.change(value)}
      {unit}
    </span>
  );
}

/** A horizontal measure of 0 to 1. Decoration: the number stands beside it. */
export function Meter({ value, tone }: { value: number; tone: Tone }) {
  return (
    <span className="meter" data-tone={tone} aria-hidden="true">
      <span style={{ width: `${Math.max(0, Math.min(1, value)) * 100}%` }} />
    </span>
  );
}

export function Verdict({ good, children }: { good: boolean; children: string }) {
  return (
    <span className="verdict" data-tone={good ? "good" : "bad"}>
      <Icon name={good ? "good" : "bad"} size={15} />
      {children}
    </span>
  );
}
