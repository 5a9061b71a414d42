/** A funnel: how far its steps are reached, where subjects drop out, and how its variants compare. */

import type { Funnel, FunnelStep, FunnelVariant } from "../../api/journeys";
import type { Resource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { differenceOf, dropAt, type Verdict } from "../../model/journeys";
import { Icon, type IconName } from "../../ui/Icon";
import { Scroll } from "../../ui/Scroll";
import { Empty, resourceVintage, Tile } from "../../ui/Tile";
import { Figures } from "./Figures";

const LOOKS: Record<Verdict, { icon: IconName; words: string; tone: string }> = {
  better: { icon: "up", words: "better", tone: "good" },
  worse: { icon: "down", words: "worse", tone: "bad" },
  unclear: { icon: "flat", words: "no clear difference", tone: "neutral" },
};

export function FunnelView({ answer }: { answer: Resource<Funnel> }) {
  const { data } = answer;
  if (data === null) return null;
  const vintage = resourceVintage(answer);
  const last = data.steps.at(-1);
  const who = data.journey.subject;
  return (
    <>
      <Tile title="Steps" className="wide" vintage={vintage} warning={answer.error}>
        {data.steps[0]?.count ? (
          <Steps steps={data.steps} />
        ) : (
          <Empty icon="journeys" title="Nobody entered on these days" />
        )}
      </Tile>
      <Tile title="Conversion" className="narrow" vintage={vintage}>
        <Figures
          entries={[
            ["Came to the end", number.share(data.conversion), number.plural(last?.count ?? 0, who)],
            ["Entered", number.count(data.steps[0]?.count), `${time.day(data.from)} to ${time.day(data.to)}`],
            [
              "Still may",
              number.count(data.open),
              `within ${time.duration(data.journey.window_seconds)} of the first step`,
            ],
            [
              "From first to last step",
              time.duration(last?.seconds_from_first),
              "the median of those who came to the end",
            ],
          ]}
        />
      </Tile>
      {data.variants.length > 0 && (
        <Tile title={`By ${data.journey.breakdown?.property}`} className="full" vintage={vintage}>
          <Variants variants={data.variants} />
          {data.crossed > 0 && (
            <p className="journey-note" data-tone="warn">
              {number.plural(data.crossed, who)} entered with several values, and counted under the first.
            </p>
          )}
        </Tile>
      )}
    </>
  );
}

export function Steps({ steps }: { steps: readonly FunnelStep[] }) {
  const most = steps[0]?.count ?? 0;
  return (
    <ol className="funnel">
      {steps.map((step, place) => {
        const drop = dropAt(steps, place);
        return (
          <li key={step.name}>
            {drop && (
              <p className="funnel-drop">
                <span>
                  <Icon name="down" size={12} /> {number.count(drop.lost)} dropped out ({number.share(drop.share)})
                </span>
                {step.seconds_from_previous !== null && (
                  <span>median {time.duration(step.seconds_from_previous)} later</span>
                )}
              </p>
            )}
            <div className="funnel-step">
              <strong>{step.label}</strong>
              <span className="funnel-count">
                {number.count(step.count)} <small>{number.share(step.of_first)}</small>
              </span>
              <span className="funnel-bar" aria-hidden="true">
                <span style={{ width: `${most ? (step.count / most) * 100 : 0}%` }} />
              </span>
            </div>
          </li>
        );
      })}
    </ol>
  );
}

export function Variants({ variants }: { variants: readonly FunnelVariant[] }) {
  return (
    <Scroll label="Conversion by variant">
      <table className="plain-table">
        <thead>
          <tr>
            {["Value", "Entered", "Came to the end", "Conversion", "Against the first", "95 % interval", ""].map(
              (head) => (
                <th key={head} scope="col">
                  {head === "" ? <span className="sr-only">Verdict</span> : head}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {variants.map((variant) => {
            const against = differenceOf(variant);
            const look = against && LOOKS[against.verdict];
            return (
              <tr key={variant.value ?? ""}>
                <th scope="row">{variant.value ?? "any other"}</th>
                <td>{number.count(variant.steps[0]?.count)}</td>
                <td>{number.count(variant.steps.at(-1)?.count)}</td>
                <td>{number.share(variant.conversion)}</td>
                <td>{against?.text ?? number.NOTHING}</td>
                <td>{against?.interval ?? number.NOTHING}</td>
                <td>
                  {look && (
                    <span className="badge" data-tone={look.tone}>
                      <Icon name={look.icon} size={12} /> {look.words}
                    </span>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}
