/** Times and ages. Everything is shown in UTC, because buckets and daily scores are days of UTC. */

import { NOTHING } from "./number";

const LOCALE = "en-GB";
const UTC = { timeZone: "UTC" } as const;

const dayFormat = new Intl.DateTimeFormat(LOCALE, { ...UTC, day: "numeric", month: "short", year: "numeric" });
const shortDayFormat = new Intl.DateTimeFormat(LOCALE, { ...UTC, day: "numeric", month: "short" });
const weekdayFormat = new Intl.DateTimeFormat(LOCALE, {
  ...UTC,
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
});
const nearDayFormat = new Intl.DateTimeFormat(LOCALE, { ...UTC, weekday: "short", day: "numeric", month: "short" });
const monthFormat = new Intl.DateTimeFormat(LOCALE, { ...UTC, month: "short", year: "numeric" });
const timeFormat = new Intl.DateTimeFormat(LOCALE, { ...UTC, hour: "2-digit", minute: "2-digit" });
const secondsFormat = new Intl.DateTimeFormat(LOCALE, {
  ...UTC,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

function parse(at: string | null | undefined): Date | null {
  if (at == null) return null;
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** "15 Jan 2026". */
export function day(at: string | null | undefined): string {
  const date = parse(at);
  return date ? dayFormat.format(date) : NOTHING;
}

/** "15 Jan". */
export function shortDay(at: string | null | undefined): string {
  const date = parse(at);
  return date ? shortDayFormat.format(date) : NOTHING;
}

/** "Thu, 15 Jan 2026". */
export function weekday(at: string | null | undefined): string {
  const date = parse(at);
  return date ? weekdayFormat.format(date) : NOTHING;
}

/** "Thu, 15 Jan", for days that can only be of this year or the last. */
export function nearDay(at: string | null | undefined): string {
  const date = parse(at);
  return date ? nearDayFormat.format(date) : NOTHING;
}

/** "Jan 2026". */
export function month(at: string | null | undefined): string {
  const date = parse(at);
  return date ? monthFormat.format(date) : NOTHING;
}

/** "12:05". */
export function clock(at: string | null | undefined): string {
  const date = parse(at);
  return date ? timeFormat.format(date) : NOTHING;
}

/** "15 Jan 2026, 12:05". */
export function instant(at: string | null | undefined): string {
  const date = parse(at);
  return date ? `${dayFormat.format(date)}, ${timeFormat.format(date)}` : NOTHING;
}

/** "15 Jan 2026, 12:05:09 UTC", for tooltips. */
export function exact(at: string | null | undefined): string {
  const date = parse(at);
  return date ? `${dayFormat.format(date)}, ${secondsFormat.format(date)} UTC` : NOTHING;
}

/** Whether the instant carries a time of day; sources of whole days have only midnights. */
export function hasClock(at: string): boolean {
  const date = parse(at);
  return date !== null && (date.getUTCHours() !== 0 || date.getUTCMinutes() !== 0 || date.getUTCSeconds() !== 0);
}

/** A mark of an axis: the day at midnight, else the time of day. */
export function mark(at: string): string {
  return hasClock(at) ? clock(at) : shortDay(at);
}

const STEPS: readonly (readonly [limit: number, size: number, unit: string])[] = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86_400 * 2, 3600, "h"],
  [86_400 * 90, 86_400, "d"],
  [86_400 * 730, 86_400 * 30.4375, "mo"],
  [Number.POSITIVE_INFINITY, 86_400 * 365.25, "y"],
];

/** "3 s", "12 min", "5 h", "41 d". Rounded down: an age is never flattered. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING;
  const length = Math.max(0, seconds);
  for (const [limit, size, unit] of STEPS) {
    if (length < limit) return `${Math.floor(length / size)}\u00a0${unit}`;
  }
  return NOTHING;
}

/** "now" below one second, then "3 s ago". */
export function ago(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING;
  return seconds < 1 ? "now" : `${duration(seconds)} ago`;
}

/** How long the oldest waiting record has waited: "none", "< 1 s", "3 s". */
export function lag(seconds: number): string {
  if (seconds <= 0) return "none";
  return seconds < 1 ? "<\u20091\u00a0s" : duration(seconds);
}

/** Data time of a replay, as finely as its speed lets anyone read. */
export function replayClock(at: Date, speed: number): string {
  const text = at.toISOString();
  if (speed >= 43_200) return day(text);
  if (speed >= 600) return `${day(text)}, ${String(at.getUTCHours()).padStart(2, "0")}:00`;
  return instant(text);
}

/** "×86,400", "×1.5". */
export function speed(value: number): string {
  return `\u00d7${new Intl.NumberFormat("en", { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value)}`;
}

/** The value of a `datetime-local` input, which has no zone, read as UTC. Null when it is empty or broken. */
export function fromInput(value: string): string | null {
  if (value === "") return null;
  const date = new Date(`${value}${value.length === 16 ? ":00" : ""}Z`);
  return Number.isNaN(date.getTime()) ? null : date.toISOString().replace(".000Z", "Z");
}

/** The other way round. */
export function toInput(at: string | null | undefined): string {
  const date = parse(at);
  return date ? date.toISOString().slice(0, 16) : "";
}

/** The day (UTC, "2026-01-15") so many days before an instant. */
export function dayBefore(at: Date, days: number): string {
  return new Date(at.getTime() - days * 86_400_000).toISOString().slice(0, 10);
}
