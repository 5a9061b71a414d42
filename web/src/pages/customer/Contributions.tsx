/** The waterfall: each component starts where the one before ended, and the last ends at the score, exactly. */

import type { Contribution, CustomerHealth } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import * as time from "../../format/time";
import type { Tone } from "../../model/bands";
import { bandLook } from "../../model/bands";
import { type Step, waterfall } from "../../model/waterfall";
import { Icon } from "../../ui/Icon";
import { GradeMark, Verdict } from "../../ui/Marks";
import { Empty, Tile } from "../../ui/Tile";

export function Contributions({ health, vintage }: { health: CustomerHealth; vintage: Vintage }) {
  const { steps, total, difference } = waterfall(health.contributions, health.score);
  return (
    <Tile title="What the score is made of" className="wide" vintage={vintage}>
      {steps.length === 0 ? (
        <Empty title="No contributions">A score explains itself as soon as there is one.</Empty>
      ) : (
        <>
          <table className="waterfall">
            <caption className="sr-only">Points of each component, adding up to the score</caption>
            <thead>
              <tr>
                <th scope="col">Component</th>
                <th scope="col" className="scale-head" aria-label="Points, drawn on a scale of 0 to 100">
                  <Ticks />
                </th>
                <th scope="col" className="num">
                  Points
                </th>
              </tr>
            </thead>
            <tbody>
              {steps.map((step) => (
                <Row key={step.contribution.component} step={step} />
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row">Score</th>
                <td className="track">
                  <span className="grid-lines" />
                  <span
                    className="bar-total"
                    data-tone={bandLook(health.band, health.model?.bands).tone}
                    style={{ left: 0, width: `${clamp(total)}%` }}
                  />
                </td>
                <td className="num">
                  <strong data-testid="contribution-sum">{number.points(total)}</strong>
                </td>
              </tr>
            </tfoot>
          </table>
          {difference === 0 ? (
            <p className="figure-note waterfall-note">
              <span>
                {LOOKS.filter((look) => steps.some((step) => look === tone(step.contribution))).map((look) => (
                  <i key={look} className="swatch" data-tone={look} />
                ))}{" "}
                points gained
              </span>
              <span>
                <i className="swatch lost" /> points not reached
              </span>
              <Verdict good>Adds up exactly</Verdict>
            </p>
          ) : (
            <p className="banner" data-tone="bad" role="alert">
              <Icon name="bad" /> The contributions add up to {number.points(total)} and not to the score of{" "}
              {number.points(health.score)}: {number.points(Math.abs(difference))} points{" "}
              {difference > 0 ? "too many" : "too few"}.
            </p>
          )}
        </>
      )}
    </Tile>
  );
}

const TICKS = [0, 25, 50, 75, 100];

function Ticks() {
  return (
    <span className="ticks" aria-hidden="true">
      {TICKS.map((tick) => (
        <span key={tick} style={{ left: `${tick}%` }}>
          {tick}
        </span>
      ))}
    </span>
  );
}

function Row({ step }: { step: Step }) {
  const { contribution, from, to, reach } = step;
  const left = clamp(Math.min(from, to));
  const width = clamp(Math.max(from, to)) - left;
  return (
    <tr title={contribution.reason}>
      <th scope="row">
        {contribution.label}
        <InputOf contribution={contribution} />
      </th>
      <td className="track">
        <span className="grid-lines" />
        <span className="bar-lost" style={{ left: `${left}%`, width: `${clamp(reach) - left}%` }} />
        <span className="bar-points" data-tone={tone(contribution)} style={{ left: `${left}%`, width: `${width}%` }} />
        <span className="connector" style={{ left: `${clamp(to)}%` }} />
      </td>
      <td className="num">
        {contribution.weight === 0 && contribution.points === 0 ? (
          <span className="muted" title="There is no input, and the model leaves the component out then">
            left out
          </span>
        ) : (
          <>
            {number.points(contribution.points)}
            <span className="muted"> / {number.measure(contribution.weight)}</span>
          </>
        )}
      </td>
    </tr>
  );
}

function InputOf({ contribution: { input } }: { contribution: Contribution }) {
  return (
    <small className="input-of">
      <span>
        {input.value === null ? "no value" : `${number.measure(input.value)} ${input.unit}`}
        {input.age_seconds !== null && `, ${time.duration(input.age_seconds)}\u00a0old`}
      </span>
      {input.grade !== "fresh" && <GradeMark grade={input.grade} />}
    </small>
  );
}

const LOOKS: readonly Tone[] = ["bad", "warn", "fair", "good"];

/** By the part of its weight that a component reached. */
function tone({ points, weight }: Contribution): Tone {
  if (weight <= 0) return points < 0 ? "bad" : "neutral";
  const part = points / weight;
  if (part < 0.25) return "bad";
  if (part < 0.5) return "warn";
  return part < 0.7 ? "fair" : "good";
}

function clamp(value: number): number {
  return Math.max(0, Math.min(100, value));
}
