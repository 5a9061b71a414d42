/** What customers and persons do one after another: one declared journey at a time. */

import { useState } from "react";
import { query } from "../../api/client";
import type { Adoption, Cohorts, Funnel, Journey, Journeys as JourneysData, Retention } from "../../api/journeys";
import type { Customers } from "../../api/types";
import { type Resource, useResource } from "../../data/resource";
import * as time from "../../format/time";
import { answerPath, KIND_LABELS, spansOf } from "../../model/journeys";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { Page } from "../../ui/Page";
import { Segmented } from "../../ui/Segmented";
import { Empty, Failure, Skeleton } from "../../ui/Tile";
import "../../styles/journeys.css";
import { AdoptionView } from "./AdoptionView";
import { CohortsView } from "./CohortsView";
import { FunnelView } from "./FunnelView";
import { RetentionView } from "./RetentionView";

const EVERY = 30;

export function Journeys({ name }: { name: string | null }) {
  const list = useResource<JourneysData>("/analytics/journeys", { every: EVERY });
  const known = list.data?.journeys ?? [];
  const chosen = known.find((one) => one.name === name) ?? (name === null ? known[0] : undefined);
  return (
    <Page title="Journeys" subtitle="Funnels, retention, cohorts and adoption, as they are declared in metrics/.">
      {list.data === null ? (
        list.error ? (
          <Failure error={list.error} retry={list.refresh} />
        ) : (
          <Skeleton lines={10} />
        )
      ) : (
        <>
          {list.data.unreadable.map(({ metric, reason }) => (
            <p key={metric} className="journey-note" data-tone="warn">
              <strong>{metric}</strong> cannot be read and keeps nothing: {reason}
            </p>
          ))}
          {known.length > 0 && <Choice journeys={known} chosen={chosen?.name ?? null} />}
          {chosen ? (
            <Chosen key={chosen.name} journey={chosen} />
          ) : known.length > 0 ? (
            <Empty icon="search" title={`There is no journey ${name}`} />
          ) : (
            <Empty icon="journeys" title="No journey is declared">
              A file with the key kind in metrics/ declares one: a funnel, retention, a cohort or adoption.
            </Empty>
          )}
        </>
      )}
    </Page>
  );
}

function Choice({ journeys, chosen }: { journeys: readonly Journey[]; chosen: string | null }) {
  return (
    <nav className="journey-choice" aria-label="Journeys">
      {journeys.map(({ name, label, kind }) => (
        <Link key={name} to={paths.journeys(name)} aria-current={name === chosen ? "true" : undefined}>
          <span>{label}</span>
          <small>{KIND_LABELS[kind]}</small>
        </Link>
      ))}
    </nav>
  );
}

function Chosen({ journey }: { journey: Journey }) {
  const spans = spansOf(journey);
  const [days, setDays] = useState(spans[journey.kind === "funnel" ? 1 : 2]?.value ?? "90");
  const [segment, setSegment] = useState("");
  const answer = useResource<unknown>(`${answerPath(journey)}${query({ days, segment })}`, { every: EVERY });
  return (
    <>
      <div className="journey-controls">
        <p className="muted">{journey.description}</p>
        <Segments value={segment} onChange={setSegment} />
        <Segmented label="Days" options={spans} value={days} onChange={setDays} />
      </div>
      {journey.since && (
        <p className="journey-note">
          Declared while records came in: it knows those received since {time.instant(journey.since)} UTC.
        </p>
      )}
      {answer.data === null ? (
        answer.error ? (
          <Failure error={answer.error} retry={answer.refresh} />
        ) : (
          <Skeleton lines={10} />
        )
      ) : (
        <div className="grid busy-dim" aria-busy={answer.loading}>
          <View journey={journey} answer={answer} />
        </div>
      )}
    </>
  );
}

function View({ journey, answer }: { journey: Journey; answer: Resource<unknown> }) {
  switch (journey.kind) {
    case "funnel":
      return <FunnelView answer={answer as Resource<Funnel>} />;
    case "retention":
      return <RetentionView answer={answer as Resource<Retention>} />;
    case "cohort":
      return <CohortsView answer={answer as Resource<Cohorts>} />;
    case "adoption":
      return <AdoptionView answer={answer as Resource<Adoption>} />;
  }
}

function Segments({ value, onChange }: { value: string; onChange: (segment: string) => void }) {
  const { data } = useResource<Customers>("/analytics/customers?limit=1");
  const segments = data?.segments ?? [];
  if (segments.length === 0) return null;
  return (
    <label className="select">
      <span className="sr-only">Segment</span>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">All segments</option>
        {segments.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
