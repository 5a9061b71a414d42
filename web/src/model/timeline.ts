/** The timeline by day, with runs of the same event folded into one line. */

import type { TimelineEntry } from "../api/types";

export interface TimelineLine {
  key: string;
  entry: TimelineEntry;
  /** The entries that the line stands for. */
  entries: TimelineEntry[];
  /** Their quantities added up; null when none had one. */
  quantity: number | null;
}

export interface TimelineDay {
  day: string;
  lines: TimelineLine[];
}

function sameThing(a: TimelineEntry, b: TimelineEntry): boolean {
  return (
    a.kind === b.kind && a.title === b.title && a.detail === b.detail && a.source === b.source && a.stream === b.stream
  );
}

/** Entries come newest first and stay in that order. Only neighbours are folded, and only events. */
export function timelineDays(entries: readonly TimelineEntry[]): TimelineDay[] {
  const days: TimelineDay[] = [];
  entries.forEach((entry, index) => {
    const day = entry.at.slice(0, 10);
    let current = days.at(-1);
    if (current?.day !== day) {
      current = { day, lines: [] };
      days.push(current);
    }
    const last = current.lines.at(-1);
    if (last && entry.kind === "event" && sameThing(last.entry, entry)) {
      last.entries.push(entry);
      last.quantity = entry.quantity === null ? last.quantity : (last.quantity ?? 0) + entry.quantity;
      return;
    }
    current.lines.push({ key: `${entry.at} ${index}`, entry, entries: [entry], quantity: entry.quantity });
  });
  return days;
}
