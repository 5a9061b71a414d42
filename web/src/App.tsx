/** Who is there decides between the sign-in and the pages; the address decides which page. */

import { lazy, type ReactNode, Suspense, useEffect } from "react";
import { restore, session } from "./api/session";
import { hearLive } from "./data/clock";
import { useStore } from "./data/store";
import { useLive } from "./live/browser";
import { MetricsContext, metricsSource } from "./live/context";
import { pages } from "./pages/load";
import { Overview } from "./pages/overview/Overview";
import { SignIn } from "./pages/SignIn";
import { parseRoute, paths, type Route, usePath } from "./router";
import { Shell } from "./shell/Shell";
import { Icon } from "./ui/Icon";
import { Link } from "./ui/Link";
import { Page } from "./ui/Page";
import { PageBoundary } from "./ui/PageBoundary";
import { Empty, Skeleton } from "./ui/Tile";

const Customers = lazy(pages.customers);
const Customer = lazy(pages.customer);
const Journeys = lazy(pages.journeys);
const Data = lazy(pages.data);
const RecordPage = lazy(pages.record);
const Quality = lazy(pages.quality);

/** Fetch the code of the page that was asked for while the server is asked who is there. */
export function preload(path: string): void {
  const { page } = parseRoute(path);
  // A failure is met again, and shown, when the page is to be drawn.
  if (page in pages) pages[page as keyof typeof pages]().catch(() => undefined);
}

export function App() {
  const current = useStore(session);
  const route = parseRoute(usePath());
  const metrics = useLive(current.status === "signed-in" ? "/live-metrics" : null, metricsSource);

  useEffect(() => {
    if (current.status === "unknown") void restore();
  }, [current.status]);

  const { state, meta, metaAt } = metrics;
  useEffect(() => {
    if (state && meta && metaAt !== null && meta.replay === undefined) hearLive(state.replay, meta, metaAt);
  }, [state, meta, metaAt]);

  switch (current.status) {
    case "unknown":
      return <div className="blank" role="status" aria-label="Loading" />;
    case "unreachable":
      return <Unreachable message={current.message} />;
    case "signed-out":
      return <SignIn expired={current.expired} />;
    case "signed-in":
      return (
        <MetricsContext value={metrics}>
          <Shell me={current.me} route={route}>
            <PageBoundary key={route.page}>
              <Suspense fallback={<Waiting />}>{pageOf(route)}</Suspense>
            </PageBoundary>
          </Shell>
        </MetricsContext>
      );
  }
}

function pageOf(route: Route): ReactNode {
  switch (route.page) {
    case "overview":
      return <Overview />;
    case "customers":
      return <Customers />;
    case "customer":
      return <Customer key={route.id} id={route.id} />;
    case "journeys":
      return <Journeys name={route.name} />;
    case "data":
      return <Data source={route.source} />;
    case "record":
      return <RecordPage key={route.id} source={route.source} id={route.id} />;
    case "quality":
      return <Quality source={route.source} />;
    case "unknown":
      return (
        <Page title="Not found">
          <Empty icon="search" title="There is no such page">
            <Link to={paths.overview}>Go to the overview</Link>
          </Empty>
        </Page>
      );
  }
}

function Waiting() {
  return (
    <div className="page">
      <Skeleton lines={8} />
    </div>
  );
}

function Unreachable({ message }: { message: string }) {
  useEffect(() => {
    const timer = setInterval(() => void restore(), 3000);
    return () => clearInterval(timer);
  }, []);
  return (
    <main className="sign-in" id="main">
      <div className="notice" data-tone="warn" role="status">
        <Icon name="link" size={24} />
        <strong>Waiting for Mainstem</strong>
        <p>{message} It is tried again every few seconds.</p>
      </div>
    </main>
  );
}
