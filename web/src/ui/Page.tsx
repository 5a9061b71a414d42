/** A page's heading and title. */

import { type ReactNode, useEffect, useRef } from "react";
import { greet } from "../shell/arrival";

interface PageProps {
  title: string;
  above?: ReactNode;
  /** Beside the heading, in its line. */
  beside?: ReactNode;
  subtitle?: ReactNode;
  controls?: ReactNode;
  children: ReactNode;
}

export function Page({ title, above, beside, subtitle, controls, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Mainstem`;
  }, [title]);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => greet(heading.current), []);
  return (
    <div className="page">
      <header className="page-head">
        <div>
          {above}
          <div className="page-title">
            <h1 ref={heading} tabIndex={-1}>
              {title}
            </h1>
            {beside}
          </div>
          {subtitle && <div className="page-subtitle">{subtitle}</div>}
        </div>
        {controls}
      </header>
      {children}
    </div>
  );
}
