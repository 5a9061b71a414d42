/** What systems say alike of the same things, how sure that is, and which entities differ. */

import { useState } from "react";
import type { Agreement, AgreementDetail, ComparedPair, Difference, Agreements as Listed } from "../../api/agreements";
import { query } from "../../api/client";
import { useResource } from "../../data/resource";
import * as number from "../../format/number";
import * as time from "../../format/time";
import { differenceLine, intervalLine, leftOut, sidesLine, truthLine, valuesLine } from "../../model/agreements";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { Scroll } from "../../ui/Scroll";
import { Sparkline } from "../../ui/Sparkline";
import { Empty, Loaded } from "../../ui/Tile";

const EVERY = 60;
const SHOWN = 50;

export function Agreements({ found }: { found: Listed }) {
  const [chosen, choose] = useState<string | null>(null);
  if (found.agreements.length === 0) {
    return (
      <Empty icon="neutral" title="No systems are compared">
        Say in agreements/*.yaml which entities of two systems are the same and what both know of them: how far they
        agree shows here, and how accurate fields are where one of them is held to be right.
      </Empty>
    );
  }
  return (
    <ul className="agreements">
      {found.agreements.map((one) => (
        <li key={one.name}>
          <Summary one={one} />
          {one.latest && <Pairs pairs={one.latest.compared} />}
          {one.latest && (
            <button
              type="button"
              className="text-button"
              aria-expanded={chosen === one.name}
              onClick={() => choose(chosen === one.name ? null : one.name)}
            >
              {chosen === one.name ? "Hide who differs" : "Who differs"}
              <span className="sr-only"> in {one.label}</span>
            </button>
          )}
          {chosen === one.name && <Differing name={one.name} />}
        </li>
      ))}
    </ul>
  );
}

function Summary({ one }: { one: Agreement }) {
  const { latest } = one;
  return (
    <div className="agreement-head">
      <div>
        <h3>{one.label}</h3>
        <p className="muted small">
          <span className="mono">{sidesLine(one)}</span> · {truthLine(one)}
        </p>
        {one.description && <p className="muted small">{one.description}</p>}
        {one.problem && (
          <p className="decide-error" role="alert">
            Not compared: {one.problem}
          </p>
        )}
        {latest && <LeftOut one={one} />}
      </div>
      <div className="agreement-rate">
        {latest === null ? (
          <strong className="muted">not compared yet</strong>
        ) : (
          <>
            <strong className="num">{number.share(latest.value)}</strong>
            <span className="muted small" title="95 % confidence; entities of which both say something">
              {intervalLine(latest)}
            </span>
            <Sparkline
              values={one.days.map(({ value }) => value)}
              label={`Agreement by day, ${number.share(latest.value)} on the last`}
            />
          </>
        )}
      </div>
    </div>
  );
}

function LeftOut({ one }: { one: Agreement }) {
  const { latest, left, right } = one;
  if (latest === null) return null;
  const sides = [
    [left.source, leftOut(latest.left)],
    [right.source, leftOut(latest.right)],
  ] as const;
  return (
    <p className="muted small">
      {number.count(latest.matched)} matched
      {sides.map(([source, words]) => words && ` · ${source}: ${words}`)}
      {` · ${time.instant(latest.at)} UTC`}
    </p>
  );
}

function Pairs({ pairs }: { pairs: readonly ComparedPair[] }) {
  return (
    <Scroll label="What is compared">
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">Attribute</th>
            <th scope="col" className="num">
              Agree
            </th>
            <th scope="col">95 % interval</th>
            <th scope="col" className="num">
              Differ
            </th>
            <th scope="col" className="num" title="one of the two has no value">
              Missing
            </th>
          </tr>
        </thead>
        <tbody>
          {pairs.map((pair) => (
            <tr key={`${pair.left}.${pair.right}`}>
              <th scope="row">{pair.left === pair.right ? pair.left : `${pair.left} / ${pair.right}`}</th>
              <td className="num">{number.share(pair.value)}</td>
              <td className="muted">{intervalLine(pair)}</td>
              <td className="num">{number.count(pair.differing)}</td>
              <td className="num">{number.count(pair.missing_left + pair.missing_right)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Differing({ name }: { name: string }) {
  const path = `/data/quality/agreements/${encodeURIComponent(name)}${query({ limit: SHOWN })}`;
  const detail = useResource<AgreementDetail>(path, { every: EVERY });
  return (
    <Loaded resource={detail} lines={4}>
      {(one) =>
        one.differences.length === 0 ? (
          <Empty icon="good" title="Nobody differs">
            All that was compared agrees, and nothing stands alone.
          </Empty>
        ) : (
          <>
            <Scroll label="Who differs" tall={one.differences.length > 6}>
              <table className="plain-table">
                <thead>
                  <tr>
                    <th scope="col">What</th>
                    <th scope="col">{one.left.source}</th>
                    <th scope="col">{one.right.source}</th>
                    <th scope="col">Values</th>
                    <th scope="col">Changed (UTC)</th>
                  </tr>
                </thead>
                <tbody>
                  {one.differences.map((each) => (
                    <tr key={`${each.kind}.${each.attributes?.left}.${each.left}.${each.right}`}>
                      <th scope="row">{differenceLine(each, one)}</th>
                      <Entity id={each.left_id} reference={each.left} />
                      <Entity id={each.right_id} reference={each.right} />
                      <Values one={each} />
                      <td className="muted">{time.instant(each.changed_at)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
            {one.differences_total > one.differences.length && (
              <p className="muted small">
                {number.count(one.differences.length)} of {number.count(one.differences_total)} that are kept, the
                latest of each kind first.
              </p>
            )}
          </>
        )
      }
    </Loaded>
  );
}

function Entity({ id, reference }: { id: string | null; reference: string | null }) {
  if (id !== null) {
    return (
      <td className="mono">
        <Link to={paths.customer(id)}>{id}</Link>
      </td>
    );
  }
  return (
    <td className="mono muted" title={reference ?? undefined}>
      {reference === null ? number.NOTHING : reference.slice(0, 8)}
    </td>
  );
}

function Values({ one }: { one: Difference }) {
  const words = valuesLine(one);
  return <td className={one.left_value === null ? "muted" : undefined}>{words ?? number.NOTHING}</td>;
}
