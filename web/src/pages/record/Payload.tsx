/** A payload as it came, with the field at fault marked, and what its envelope said. */

import { useMemo } from "react";
import type { QuarantineContent, QuarantineRecord } from "../../api/quarantine";
import { shown } from "../../format/text";
import * as time from "../../format/time";
import { layOut } from "../../model/payload";
import { Scroll } from "../../ui/Scroll";

export function Payload({ record, content }: { record: QuarantineRecord; content: QuarantineContent }) {
  const { payload } = content;
  const laidOut = useMemo(() => (payload === null ? null : layOut(payload, record.paths)), [payload, record.paths]);
  return (
    <>
      <Envelope content={content} />
      {payload === null ? (
        <>
          <p className="muted">It is no text in UTF-8. In base64:</p>
          <Scroll label="Payload in base64" tall>
            <pre className="payload wrapped">{content.payload_base64}</pre>
          </Scroll>
        </>
      ) : laidOut === null ? (
        <>
          <p className="muted">It cannot be read as JSON. As it came:</p>
          <Scroll label="Payload" tall>
            <pre className="payload wrapped">{payload}</pre>
          </Scroll>
        </>
      ) : (
        <Lines {...laidOut} field={record.field} />
      )}
    </>
  );
}

function Lines({ lines, found, field }: NonNullable<ReturnType<typeof layOut>> & { field: string | null }) {
  const text = (from: number, to: number) => lines.slice(from, to).join("\n");
  return (
    <>
      {field !== null && found === null && (
        <p className="payload-note">
          It has no field <span className="mono">{shown(field)}</span>.
        </p>
      )}
      <Scroll label="Payload" tall>
        <pre className="payload">
          {found === null ? (
            text(0, lines.length)
          ) : (
            <>
              {text(0, found.first)}
              <mark data-note="at fault">
                <span className="sr-only">at fault: </span>
                {text(found.first, found.last + 1)}
              </mark>
              {text(found.last + 1, lines.length)}
            </>
          )}
        </pre>
      </Scroll>
    </>
  );
}

function Envelope({ content }: { content: QuarantineContent }) {
  const entries: [string, string | null][] = [
    ["Record id", content.record_id],
    ["Key", content.key],
    ["Partition key", content.partition_key],
    ["Occurred", content.occurred_at && time.exact(content.occurred_at)],
    ["Operation", content.op],
    ["Origin", content.origin],
  ];
  return (
    <dl className="facts record-envelope">
      {entries.map(
        ([label, value]) =>
          value !== null && (
            <div key={label}>
              <dt>{label}</dt>
              <dd className="mono">{shown(value)}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
