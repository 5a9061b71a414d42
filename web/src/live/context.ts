/** The one live-metrics subscription of the application, and what every page reads from it. */

import { createContext, useContext } from "react";
import type { LiveMetrics } from "../api/types";
import type { Vintage } from "../data/age";
import type { LiveState } from "./channel";
import { reduceMetrics } from "./metrics";
import { beginScores, reduceScores } from "./scores";

export const metricsSource = { begin: (data: LiveMetrics) => data, reduce: reduceMetrics };
export const scoresSource = { begin: beginScores, reduce: reduceScores };

export const MetricsContext = createContext<LiveState<LiveMetrics>>({
  connection: { status: "connecting" },
  state: null,
  meta: null,
  metaAt: null,
  confirmedAt: null,
});

export function useMetrics(): LiveState<LiveMetrics> {
  return useContext(MetricsContext);
}

export function liveVintage({ meta, metaAt }: LiveState<unknown>): Vintage {
  return { meta, receivedAt: metaAt };
}
