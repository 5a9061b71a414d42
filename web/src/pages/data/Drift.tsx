/** How the streams of a source depart from their contracts, as it was noticed. Values are never sent but where none is personal. */

import { query } from "../../api/client";
import type { DriftFinding, DriftFindings } from "../../api/types";
import { type Resource, useResource } from "../../data/resource";
import * as number from "../../format/number";
import { shown } from "../../format/text";
import * as time from "../../format/time";
import { byDay, outcome, sentence } from "../../model/drift";
import { Empty, Loaded, resourceVintage, Tile } from "../../ui/Tile";

const EVERY = 30;
const SHOWN = 50;

/** Of a source, or of all. */
export function DriftTile({ source }: { source: string | null }) {
  const findings = useResource<DriftFindings>(`/data/quality/drift${query({ source, limit: SHOWN })}`, {
    every: EVERY,
  });
  return <Drift findings={findings} />;
}

export function Drift({ findings }: { findings: Resource<DriftFindings> }) {
  return (
    <Tile
      title="Drift"
      className="full"
      vintage={resourceVintage(findings)}
      warning={findings.data ? findings.error : null}
    >
      <Loaded resource={findings} lines={6}>
        {(data) =>
          data.findings.length === 0 ? (
            <Empty icon="good" title="As declared">
              No stream departs from its contract.
            </Empty>
          ) : (
            <ol className="drift-days">
              {byDay(data.findings).map(({ day, findings: of }) => (
                <li key={day}>
                  <h3>{time.nearDay(day)}</h3>
                  <ul className="reason-list">
                    {of.map((finding) => (
                      <Finding key={keyOf(finding)} finding={finding} />
                    ))}
                  </ul>
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
    </Tile>
  );
}

function keyOf({ stream, contract_version, kind, path, observed }: DriftFinding): string {
  return [stream, contract_version, kind, path, observed].join("\n");
}

function Finding({ finding }: { finding: DriftFinding }) {
  const became = outcome(finding);
  return (
    <li data-past={!finding.in_force || undefined}>
      <div className="reason-head">
        <span>
          {finding.path !== "*" && <span className="mono">{shown(finding.path)}</span>} {sentence(finding)}
        </span>
        {finding.records !== null && <span className="num">{number.count(finding.records)}</span>}
      </div>
      <div className="reason-where">
        {finding.source === "*" ? "" : `${finding.source}.`}
        {finding.stream} v{finding.contract_version}
        {!finding.in_force && ", before the contract in force"} ·{" "}
        <time dateTime={finding.first_at} title={time.exact(finding.first_at)}>
          {time.clock(finding.first_at)}
        </time>
        {became !== null && <> · {became}</>}
      </div>
    </li>
  );
}
