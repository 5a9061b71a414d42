/** One dimension over the received days: of whole records, or of a field that was chosen. */

import { useMemo, useState } from "react";
import { query } from "../../api/client";
import type { Dimension, FieldQuality, Quality, QualityMetrics } from "../../api/quality";
import { Chart } from "../../charts/Lazy";
import type { Vintage } from "../../data/age";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { dimensionLabel, floorOf, measured, series, stepFrom } from "../../model/quality";
import { FiguresTable } from "../../ui/FiguresTable";
import { Segmented } from "../../ui/Segmented";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";

const EVERY = 30;

interface OverTimeProps {
  quality: QualityMetrics;
  field: FieldQuality | null;
  /** The dimension that is shown first. */
  first?: Dimension;
  from: string;
  /** Of `quality`. */
  vintage: Vintage;
  /** Back from a field to whole records. */
  onLeave(): void;
}

export function OverTime({ quality, field, first = "completeness", from, vintage, onLeave }: OverTimeProps) {
  const [wanted, setWanted] = useState<Dimension>(first);
  const path =
    field && `/data/quality/metrics${query({ source: field.source, stream: field.stream, field: field.field, from })}`;
  const one = useResource<QualityMetrics>(path, { every: EVERY });
  const chosen = one.data?.fields.find((each) => each.field === field?.field && each.stream === field.stream);
  const shown: Quality = field === null ? quality.overall : (chosen ?? field);
  const dimensions = measured(shown);
  const dimension = dimensions.some(({ name }) => name === wanted) ? wanted : (dimensions[0]?.name ?? wanted);

  return (
    <Tile
      title={field === null ? "Over time" : `Over time: ${field.field} of ${field.source}.${field.stream}`}
      className="wide"
      vintage={field === null ? vintage : resourceVintage(one)}
      warning={field !== null && one.data ? one.error : null}
    >
      <div className="tile-controls quality-dimensions">
        {dimensions.length > 0 && (
          <Segmented
            label="Dimension"
            options={dimensions.map(({ name, label, help }) => ({ value: name, label, title: help }))}
            value={dimension}
            onChange={setWanted}
          />
        )}
        {field !== null && (
          <button type="button" className="button quiet" onClick={onLeave}>
            Whole records
          </button>
        )}
      </div>
      {field === null || chosen ? (
        <Line quality={shown} dimension={dimension} />
      ) : (
        <Loaded resource={one} lines={6}>
          {() => <Empty icon="flat" title="Nothing was checked of this field on these days" />}
        </Loaded>
      )}
    </Tile>
  );
}

function Line({ quality, dimension }: { quality: Quality; dimension: Dimension }) {
  const { days } = quality;
  const objective = quality.scores[dimension]?.objective ?? null;
  const line = useMemo(() => series(days, dimension), [days, dimension]);
  const low = floorOf(line, objective);
  const zones = useMemo(
    () => (objective === null ? [] : [{ label: "missed", low, high: objective, colour: "--bad" }]),
    [objective, low],
  );
  const label = dimensionLabel(dimension);
  const [only] = line;
  if (only === undefined) return <Empty icon="flat" title={`No ${label.toLowerCase()} on these days`} />;
  if (line.length === 1) {
    return (
      <Empty icon="calendar" title={`${number.share(only.value)} on ${time.day(only.at)}`}>
        The first received day that was checked. A line needs a second one.
      </Empty>
    );
  }
  return (
    <>
      <Chart
        kind="line"
        points={line}
        label={`${label} by received day, ${number.share(line.at(-1)?.value)} on the last`}
        low={low}
        high={1}
        step={stepFrom(low)}
        zones={zones}
        formatValue={number.share}
        formatAxis={time.shortDay}
        formatTime={time.weekday}
      />
      <FiguresTable
        caption={`${label} by received day`}
        heads={["Day (UTC)", label, "Records checked"]}
        rows={line.toReversed().map(({ at, value, records }) => ({
          key: at,
          cells: [time.weekday(at), number.share(value), number.count(records)],
        }))}
      />
    </>
  );
}
