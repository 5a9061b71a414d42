/** The door to the charts of the library: it comes over the line when the first one is on a page. */

import { Component, lazy, type ReactNode, Suspense } from "react";
import type { TimeChartProps } from "./TimeChart";

// Asked for as soon as a page with charts is, and not when its data have come: both take their time side by side.
const library = import("./TimeChart");
// A failure is met again, and shown, by the chart that needs it.
library.catch(() => undefined);
const TimeChart = lazy(() => library);

export function Chart(props: TimeChartProps) {
  return (
    <ChartBoundary>
      <Suspense fallback={<div className="chart chart-waiting" role="status" aria-label="Loading the chart" />}>
        <TimeChart {...props} />
      </Suspense>
    </ChartBoundary>
  );
}

/** The library could not be loaded: the figures are still in the table beside each chart. */
class ChartBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? (
      <p className="muted">The chart could not be loaded. Reload the page to try again.</p>
    ) : (
      this.props.children
    );
  }
}
