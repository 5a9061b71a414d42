/** The reasons as sentences: what holds the score down, what carries it. */

import type { CustomerHealth } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import { explain } from "../../model/explain";
import type { Step } from "../../model/waterfall";
import { Tile } from "../../ui/Tile";

export function Explanation({ health, vintage }: { health: CustomerHealth; vintage: Vintage }) {
  const { against, inFavour } = explain(health);
  if (against.length + inFavour.length === 0) return null;
  return (
    <Tile title="Why" vintage={vintage}>
      {against.length > 0 && (
        <Reasons
          title="Holds it down"
          steps={against}
          points={(step) => `\u2212${number.points(step.lost)}`}
          tone="bad"
        />
      )}
      {inFavour.length > 0 && (
        <Reasons
          title="Carries it"
          steps={inFavour}
          points={(step) => `+${number.points(step.contribution.points)}`}
          tone="good"
        />
      )}
    </Tile>
  );
}

interface ReasonsProps {
  title: string;
  steps: Step[];
  points: (step: Step) => string;
  tone: "bad" | "good";
}

function Reasons({ title, steps, points, tone }: ReasonsProps) {
  return (
    <section className="reasons">
      <h3>{title}</h3>
      <ul>
        {steps.map((step) => (
          <li key={step.contribution.component}>
            <span>{step.contribution.reason}</span>
            <span className="num" data-tone={tone}>
              {points(step)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
