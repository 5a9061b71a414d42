/** The frame of everything shown: a title, its age and grade, and what to say while there is nothing, or something went wrong. */

import { type ReactNode, useId } from "react";
import { ProblemError, UnreachableError } from "../api/client";
import type { Vintage as Age } from "../data/age";
import type { Resource } from "../data/resource";
import { Icon, type IconName } from "./Icon";
import { Vintage } from "./Marks";

interface TileProps {
  title: string;
  vintage?: Age | undefined;
  /** Controls of the tile, beside its title. */
  controls?: ReactNode;
  className?: string;
  /** A refresh failed; what is shown is older than it should be. */
  warning?: Error | null;
  children: ReactNode;
}

export function Tile({ title, vintage, controls, className = "", warning = null, children }: TileProps) {
  const id = useId();
  return (
    <section className={`tile ${className}`} aria-labelledby={id}>
      <header className="tile-head">
        <h2 id={id}>{title}</h2>
        {controls}
        {warning && (
          <span className="tile-warning" title={warning.message}>
            <Icon name="warn" size={13} /> Refresh failed
          </span>
        )}
        {vintage && <Vintage {...vintage} />}
      </header>
      {children}
    </section>
  );
}

export function resourceVintage({ meta, receivedAt }: Resource<unknown>): Age {
  return { meta, receivedAt };
}

/** The body of a tile of one resource: skeleton, error, or content. */
export function Loaded<T>({
  resource,
  lines = 4,
  children,
}: {
  resource: Resource<T>;
  lines?: number;
  children: (data: T) => ReactNode;
}) {
  if (resource.data !== null) return children(resource.data);
  if (resource.error) return <Failure error={resource.error} retry={resource.refresh} />;
  return <Skeleton lines={lines} />;
}

export function Skeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines have no identity and never move
        <span key={line} />
      ))}
    </div>
  );
}

export function Empty({ icon = "neutral", title, children }: { icon?: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="notice">
      <Icon name={icon} size={22} />
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const problem = error instanceof ProblemError ? error.problem : null;
  if (problem?.status === 403) {
    return (
      <Empty icon="lock" title="Not for your role">
        {problem.detail}
      </Empty>
    );
  }
  const title = problem?.title ?? (error instanceof UnreachableError ? "No connection" : "Something went wrong");
  const detail = problem?.detail ?? error.message;
  return (
    <div className="notice" data-tone="bad" role="alert">
      <Icon name="bad" size={22} />
      <strong>{title}</strong>
      {detail !== title && <p>{detail}</p>}
      {problem?.hint && <p className="muted">{problem.hint}</p>}
      {retry && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
