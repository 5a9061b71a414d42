/** Anomalies in words. */

import type { Anomaly } from "../api/anomalies";
import * as number from "../format/number";
import * as time from "../format/time";

const SIGNALS: Record<string, string> = {
  volume: "Records of",
  missing: "Missing values of",
  invalid: "Invalid values of",
  distinct: "Different values of",
  repeated: "Repeats in",
  late: "Late records in",
  metric: "Metric",
  freshness: "Silence of",
};

export function signalLabel(signal: string): string {
  return SIGNALS[signal] ?? signal.replaceAll("_", " ");
}

/** What it is about: source, stream and field, or a metric. */
export function anomalySubject(one: Anomaly): string {
  return [one.source, one.stream, one.name].filter((part) => part !== "").join(".");
}

/** The value beside what was expected, in the signal's unit. */
export function anomalyLine(one: Anomaly): string {
  switch (one.signal) {
    case "freshness":
      return `nothing for ${time.duration(one.value)}, ${time.duration(one.high)} at most expected`;
    case "volume":
    case "metric":
      return `${number.measure(one.value)}, expected ${bound(one.low)} to ${bound(one.high)}`;
    default:
      return `${number.share(one.value)}, expected ${number.share(one.low)} to ${number.share(one.high)}`;
  }
}

/** Where a band ends, no more exact than it is known. */
function bound(value: number): string {
  return number.measure(Math.abs(value) >= 100 ? Math.round(value) : value);
}
