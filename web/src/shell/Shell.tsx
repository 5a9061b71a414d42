/** What surrounds every page: navigation, the replay's clock, the state of the connection, the account. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import { signOut } from "../api/session";
import type { Me } from "../api/types";
import { paths, type Route } from "../router";
import { Icon, type IconName } from "../ui/Icon";
import { Link } from "../ui/Link";
import { arrive } from "./arrival";
import { ConnectionState } from "./ConnectionState";
import { Mark } from "./Mark";
import { ReplayBadge } from "./ReplayBadge";
import { ThemeSwitch } from "./ThemeSwitch";

const PLACES: readonly { to: string; label: string; icon: IconName; pages: readonly Route["page"][] }[] = [
  { to: paths.overview, label: "Overview", icon: "overview", pages: ["overview"] },
  { to: paths.customers, label: "Customers", icon: "customers", pages: ["customers", "customer"] },
  { to: paths.journeys(), label: "Journeys", icon: "journeys", pages: ["journeys"] },
  { to: paths.data(), label: "Data", icon: "data", pages: ["data", "record"] },
  { to: paths.quality(), label: "Quality", icon: "quality", pages: ["quality"] },
];

export function Shell({ me, route, children }: { me: Me; route: Route; children: ReactNode }) {
  const main = useRef<HTMLElement>(null);
  const known = useRef<string | null>(null);
  const address = "id" in route ? `${route.page}/${route.id}` : route.page;

  // On the first page the browser's own order is kept.
  useEffect(() => {
    if (known.current !== null && known.current !== address) arrive(main.current);
    known.current = address;
  }, [address]);

  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <div className="side">
        <Link to={paths.overview} className="brand" aria-label="Mainstem, overview">
          <Mark />
          <span>Mainstem</span>
        </Link>
        <nav aria-label="Main">
          {PLACES.map(({ to, label, icon, pages }) => (
            <Link key={to} to={to} aria-current={pages.includes(route.page) ? "page" : undefined}>
              <Icon name={icon} />
              <span>{label}</span>
            </Link>
          ))}
        </nav>
        <div className="side-foot">
          <ThemeSwitch />
          <Account me={me} />
        </div>
      </div>
      <div className="bar">
        <span className="bar-brand">
          <Mark />
        </span>
        <ReplayBadge />
        <ConnectionState />
      </div>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Account({ me }: { me: Me }) {
  const [failed, setFailed] = useState(false);
  const leave = () => {
    setFailed(false);
    signOut().catch(() => setFailed(true));
  };
  return (
    <div className="account">
      <span className="account-name" title={`${me.name}, ${me.role}`}>
        {me.name}
        <small>{me.role}</small>
      </span>
      <button type="button" className="icon-button" onClick={leave} aria-label="Sign out" title="Sign out">
        <Icon name="out" />
      </button>
      {failed && (
        <span role="alert" className="account-failed">
          Sign-out did not reach the server.
        </span>
      )}
    </div>
  );
}
