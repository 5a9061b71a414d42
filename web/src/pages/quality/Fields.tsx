/** The worst fields first. */

import type { FieldQuality, QualityMetrics, QualityScore } from "../../api/quality";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import { dimensionLabel, points } from "../../model/quality";
import { Change } from "../../ui/Marks";
import { Scroll } from "../../ui/Scroll";
import { Empty, Tile } from "../../ui/Tile";
import { QualityBadge } from "./QualityBadge";

interface FieldsProps {
  quality: QualityMetrics;
  chosen: FieldQuality | null;
  onChoose(field: FieldQuality): void;
  vintage: Vintage;
}

const idOf = ({ source, stream, field }: FieldQuality) => `${source}.${stream}.${field}`;

export function Fields({ quality, chosen, onChoose, vintage }: FieldsProps) {
  const { fields, fields_total } = quality;
  return (
    <Tile title="Worst fields" className="full" vintage={vintage}>
      {fields.length === 0 ? (
        <Empty title="No field was checked on these days" />
      ) : (
        <Scroll label="Worst fields" tall>
          <table className="plain-table quality-fields">
            <thead>
              <tr>
                <th scope="col">Field</th>
                <th scope="col">Stream</th>
                <th scope="col">Quality</th>
                <th scope="col">Held down by</th>
                <th scope="col" className="num" title="records in which it has a value">
                  Complete
                </th>
                <th scope="col" className="num" title="values that can be read, are allowed and within their limits">
                  Valid
                </th>
                <th scope="col" className="num" title="records that keep the rules which compare it with others">
                  Consistent
                </th>
                <th
                  scope="col"
                  className="num"
                  title="values that are those of another system or record that is held to be right"
                >
                  Accurate
                </th>
                <th scope="col" className="num" title="of what holds it down, in points of a hundred">
                  7 days
                </th>
                <th scope="col" className="num">
                  Checked
                </th>
                <th scope="col">
                  <span className="sr-only">History</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {fields.map((field) => (
                <Row
                  key={idOf(field)}
                  field={field}
                  chosen={chosen !== null && idOf(chosen) === idOf(field)}
                  onChoose={onChoose}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {fields_total > fields.length && (
        <p className="muted small">
          The worst {number.count(fields.length)} of {number.count(fields_total)} fields.
        </p>
      )}
    </Tile>
  );
}

interface RowProps {
  field: FieldQuality;
  chosen: boolean;
  onChoose(field: FieldQuality): void;
}

function Row({ field, chosen, onChoose }: RowProps) {
  const worst = field.worst === null ? undefined : field.scores[field.worst];
  return (
    <tr data-chosen={chosen || undefined}>
      <th scope="row">
        {field.field}
        {field.required && <span className="muted small"> required</span>}
      </th>
      <td className="muted">
        {field.source}.{field.stream}
      </td>
      <td>
        <QualityBadge grade={field.grade} />
      </td>
      <td>{worst === undefined || worst.value === 1 ? number.NOTHING : dimensionLabel(field.worst ?? "")}</td>
      <Share score={field.scores.completeness} />
      <Share score={field.scores.validity} />
      <Share score={field.scores.consistency} />
      <Share score={field.scores.accuracy} />
      <td className="num">
        <Change value={points(worst?.change ?? null)} />
      </td>
      <td className="num">{number.count(field.checked)}</td>
      <td>
        <button
          type="button"
          className="text-button"
          aria-pressed={chosen}
          aria-label={`History of ${field.field} of ${field.source}.${field.stream}`}
          onClick={() => onChoose(field)}
        >
          History
        </button>
      </td>
    </tr>
  );
}

function Share({ score }: { score: QualityScore | undefined }) {
  if (score === undefined) return <td className="num muted">{number.NOTHING}</td>;
  const objective = score.objective === null ? "" : `, objective ${number.share(score.objective)}`;
  const { interval } = score;
  const between = interval === null ? "" : `, ${number.share(interval.low)} to ${number.share(interval.high)}`;
  return (
    <td
      className="num"
      title={`${number.count(score.good)} of ${number.count(score.of)}${between}${objective}`}
      data-breached={score.breached === true || undefined}
    >
      {number.share(score.value)}
      {score.breached && <span className="sr-only"> misses its objective</span>}
    </td>
  );
}
