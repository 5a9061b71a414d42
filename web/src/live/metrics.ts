/** The state of /stream/live-metrics. A change carries the new value, so applying one twice changes nothing. */

import type { LiveMetrics, LiveMetricsChange, Throughput } from "../api/types";

/** What the throughput line shows; older points are dropped. */
export const THROUGHPUT_SECONDS = 300;

export function reduceMetrics(state: LiveMetrics, changes: readonly LiveMetricsChange[]): LiveMetrics {
  return changes.reduce(applyChange, state);
}

function applyChange(state: LiveMetrics, change: LiveMetricsChange): LiveMetrics {
  switch (change.kind) {
    case "throughput":
      return { ...state, throughput: appendPoint(state.throughput, change.value) };
    case "freshness":
      return {
        ...state,
        freshness: replaceBy(state.freshness, change.value, (entry) => `${entry.source}\0${entry.stream}`),
      };
    case "source":
      return { ...state, sources: replaceBy(state.sources, change.value, (entry) => entry.source) };
    case "counts": {
      const { balanced, ...counts } = change.value;
      return { ...state, counts, balanced };
    }
    case "replay":
      return { ...state, replay: change.value };
    default:
      return state;
  }
}

function appendPoint(throughput: Throughput, point: { at: string; value: number }): Throughput {
  const time = Date.parse(point.at);
  const oldest = time - THROUGHPUT_SECONDS * 1000;
  const before = throughput.points.filter(({ at }) => Date.parse(at) < time && Date.parse(at) >= oldest);
  const after = throughput.points.filter(({ at }) => Date.parse(at) > time);
  const all = [...before, point, ...after];
  return { ...throughput, points: all, per_second: all[all.length - 1]?.value ?? point.value };
}

/** The list with the entry of the same key replaced in its place, or appended in key order. */
function replaceBy<T>(list: readonly T[], value: T, key: (entry: T) => string): T[] {
  const wanted = key(value);
  const index = list.findIndex((entry) => key(entry) === wanted);
  if (index >= 0) return list.with(index, value);
  return [...list, value].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
