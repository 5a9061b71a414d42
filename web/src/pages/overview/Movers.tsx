/** Whose score moved most, and what moved it. */

import type { Model, Mover, Movers } from "../../api/types";
import type { Vintage } from "../../data/age";
import * as number from "../../format/number";
import { shown } from "../../format/text";
import { paths } from "../../router";
import { Link } from "../../ui/Link";
import { BandBadge, Change } from "../../ui/Marks";
import { Empty, Tile } from "../../ui/Tile";

interface MoversProps {
  direction: "up" | "down";
  movers: Movers;
  model: Model | null;
  vintage: Vintage;
  warning: Error | null;
}

export function MoversTile({ direction, movers, model, vintage, warning }: MoversProps) {
  const rows = movers[direction];
  const title = `${direction === "up" ? "Rising" : "Falling"} most in ${movers.days} days`;
  return (
    <Tile title={title} className="half" vintage={vintage} warning={warning}>
      {rows.length === 0 ? (
        <Empty icon="flat" title={`No score ${direction === "up" ? "rose" : "fell"}`} />
      ) : (
        <ol className="movers">
          {rows.map((mover) => (
            <Row key={mover.customer_id} mover={mover} model={model} />
          ))}
        </ol>
      )}
    </Tile>
  );
}

function Row({ mover, model }: { mover: Mover; model: Model | null }) {
  return (
    <li>
      <Link to={paths.customer(mover.customer_id)} className="mover">
        <span className="mover-name">{shown(mover.name ?? mover.customer_id)}</span>
        <span className="mover-scores num">
          <span className="muted">{number.score(mover.previous)} →</span> {number.score(mover.score)}
        </span>
        <Change value={mover.change} />
        <BandBadge band={mover.band} bands={model?.bands} />
        {mover.reason && <span className="mover-reason">{mover.reason}</span>}
      </Link>
    </li>
  );
}
