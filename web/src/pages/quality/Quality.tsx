/** How good the data is, since when, and who rests on what is bad. */

import { useState } from "react";
import type { Agreements as ListedAgreements } from "../../api/agreements";
import type { FoundAnomalies } from "../../api/anomalies";
import { query } from "../../api/client";
import type { Dimension, FieldQuality, QualityImpact, QualityMetrics } from "../../api/quality";
import type { SourceSummary } from "../../api/types";
import { useResource } from "../../data/resource";
import * as time from "../../format/time";
import { useMetrics } from "../../live/context";
import { stillChosen } from "../../model/quality";
import { navigate, paths } from "../../router";
import { Page } from "../../ui/Page";
import { Segmented } from "../../ui/Segmented";
import { Empty, Failure, Loaded, resourceVintage, Skeleton, Tile } from "../../ui/Tile";
import { DriftTile } from "../data/Drift";
import "../../styles/data.css";
import { Agreements } from "./Agreements";
import { Anomalies } from "./Anomalies";
import { Breaches } from "./Breaches";
import { Fields } from "./Fields";
import { Impact } from "./Impact";
import { OverTime } from "./OverTime";
import { Remedies } from "./Remedies";
import { Scores } from "./Scores";
import { Sources } from "./Sources";
import { UniquenessTile } from "./Uniqueness";

const EVERY = 30;
const ROWS = 25;

const SPANS = [
  { value: "7", label: "7 d", title: "the last 7 received days" },
  { value: "28", label: "28 d", title: "the last 28 received days" },
  { value: "90", label: "90 d", title: "the last 90 received days" },
] as const;
type Span = (typeof SPANS)[number]["value"];

export function Quality({ source }: { source: string | null }) {
  const [span, setSpan] = useState<Span>("28");
  const [chosen, setField] = useState<FieldQuality | null>(null);
  const [dimension, setDimension] = useState<Dimension>("completeness");
  const field = stillChosen(chosen, source);
  const selected = { source, from: firstDay(Number(span)) };
  const quality = useResource<QualityMetrics>(
    `/data/quality/metrics${query({ ...selected, order: "worst", limit: ROWS })}`,
    { every: EVERY },
  );
  const impact = useResource<QualityImpact>(`/data/quality/impact${query(selected)}`, { every: EVERY });
  const anomalies = useResource<FoundAnomalies>(`/data/quality/anomalies${query(selected)}`, { every: EVERY });
  const agreements = useResource<ListedAgreements>(`/data/quality/agreements${query(selected)}`, { every: EVERY });
  const { data } = quality;
  const choose = (of: Dimension) => (one: FieldQuality) => {
    setField(one);
    setDimension(of);
  };

  return (
    <Page
      title="Quality"
      subtitle="What the contracts' checks find in every copy that is received, counted by field and day."
      controls={
        <div className="quality-controls">
          <SourceChoice source={source} />
          <Segmented label="Received days" options={SPANS} value={span} onChange={setSpan} />
        </div>
      }
    >
      {data === null ? (
        quality.error ? (
          <Failure error={quality.error} retry={quality.refresh} />
        ) : (
          <Skeleton lines={12} />
        )
      ) : data.overall.days.length === 0 && data.fields.length === 0 ? (
        <Empty icon="quality" title="Nothing was checked on these days">
          Quality is counted for streams that have a contract, from the first record on.
        </Empty>
      ) : (
        <div className="grid busy-dim" aria-busy={quality.loading}>
          <Scores quality={data} vintage={resourceVintage(quality)} warning={quality.error} />
          <OverTime
            key={`${source}.${dimension}`}
            quality={data}
            first={dimension}
            field={field}
            from={selected.from}
            vintage={resourceVintage(quality)}
            onLeave={() => setField(null)}
          />
          <Tile
            title="Rests on bad data"
            className="narrow"
            vintage={resourceVintage(impact)}
            warning={impact.data ? impact.error : null}
          >
            <Loaded resource={impact} lines={8}>
              {(found) => <Impact impact={found} />}
            </Loaded>
          </Tile>
          <Tile
            title="Unusual"
            className="full"
            vintage={resourceVintage(anomalies)}
            warning={anomalies.data ? anomalies.error : null}
          >
            <Loaded resource={anomalies} lines={4}>
              {(found) => <Anomalies found={found} refresh={anomalies.refresh} />}
            </Loaded>
          </Tile>
          <Tile
            title="Agreement between systems"
            className="full"
            vintage={resourceVintage(agreements)}
            warning={agreements.data ? agreements.error : null}
          >
            <Loaded resource={agreements} lines={4}>
              {(found) => <Agreements found={found} />}
            </Loaded>
          </Tile>
          <Remedies selected={selected} />
          <Fields quality={data} chosen={field} onChoose={choose("completeness")} vintage={resourceVintage(quality)} />
          <UniquenessTile selected={selected} chosen={field} onChoose={choose("uniqueness")} />
          <DriftTile source={source} />
          <Sources streams={data.streams} vintage={resourceVintage(quality)} />
          <Breaches breaches={data.breaches} vintage={resourceVintage(quality)} />
        </div>
      )}
    </Page>
  );
}

function SourceChoice({ source }: { source: string | null }) {
  const live = useMetrics().state?.sources;
  const list = useResource<SourceSummary[]>(live ? null : "/data/sources");
  const names = (live ?? list.data ?? []).map((entry) => entry.source);
  const known = source === null || names.includes(source) ? names : [source, ...names];
  return (
    <label className="select">
      <span className="sr-only">Source</span>
      <select
        value={source ?? ""}
        onChange={(event) => navigate(paths.quality(event.target.value === "" ? undefined : event.target.value))}
      >
        <option value="">All sources</option>
        {known.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The first of so many days up to today, in UTC as received days are. */
function firstDay(days: number): string {
  return time.dayBefore(new Date(), days - 1);
}
