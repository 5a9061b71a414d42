/** The rows. Arrow keys (or j and k) move between customers, Enter opens one. */

import type { KeyboardEvent } from "react";
import type { Band, CustomerRow, Customers, LiveScore } from "../../api/types";
import { useDataNow } from "../../data/clock";
import * as number from "../../format/number";
import { shown } from "../../format/text";
import * as time from "../../format/time";
import { paths } from "../../router";
import { Icon } from "../../ui/Icon";
import { Link } from "../../ui/Link";
import { BandBadge, Change, GradeMark } from "../../ui/Marks";
import { Sparkline } from "../../ui/Sparkline";
import { type Filters, type SortKey, turnSort } from "./filters";

interface TableProps {
  data: Customers;
  /** The rows are of the question before; the new ones are on their way. */
  waiting: boolean;
  live: ReadonlyMap<string, LiveScore> | undefined;
  filters: Filters;
  onSort: (filters: Filters) => void;
}

export function CustomerTable({ data, waiting, live, filters, onSort }: TableProps) {
  const now = useDataNow();
  const head = { filters, onSort };
  return (
    <table className="customers" data-waiting={waiting || undefined}>
      <thead>
        <tr>
          <th scope="col" className="first">
            Customer
          </th>
          <Heading {...head} sort="score" className="num">
            Score
          </Heading>
          <th scope="col" className="c-band">
            Band
          </th>
          <Heading {...head} sort="change" className="num">
            7 days
          </Heading>
          <th scope="col" className="c-trend">
            30 days
          </th>
          <Heading {...head} sort="last_activity" className="c-activity num">
            Last activity
          </Heading>
          <th scope="col" className="c-reason">
            What holds it down
          </th>
        </tr>
      </thead>
      <tbody onKeyDown={moveBetweenRows}>
        {data.rows.map((row) => (
          <Row key={row.customer_id} row={withLive(row, live?.get(row.customer_id))} bands={data.bands} now={now} />
        ))}
      </tbody>
    </table>
  );
}

/** The score as pushed, if it is newer than the row's. */
function withLive(row: CustomerRow, live: LiveScore | undefined): CustomerRow {
  if (live === undefined || (row.as_of !== null && Date.parse(live.as_of) <= Date.parse(row.as_of))) return row;
  const { score, band, grade, as_of, change } = live;
  return { ...row, score, band, grade, as_of, change };
}

function Row({ row, bands, now }: { row: CustomerRow; bands: readonly Band[]; now: number | null }) {
  const name = shown(row.name ?? row.customer_id);
  return (
    <tr>
      <th scope="row" className="first">
        <Link to={paths.customer(row.customer_id)} className="row-link">
          <span className="row-name">{name}</span>
        </Link>
        <span className="row-sub">
          {row.name !== null && <span className="row-id">{shown(row.customer_id)}</span>}
          {row.segment && <span className="tag">{row.segment}</span>}
        </span>
      </th>
      <td className="num score-cell">
        {number.score(row.score)}
        {row.grade !== "fresh" && row.score !== null && (
          <span className="score-grade">
            <GradeMark grade={row.grade} />
          </span>
        )}
      </td>
      <td className="c-band">
        <BandBadge band={row.band} bands={bands} />
      </td>
      <td className="num">
        <Change value={row.change} />
      </td>
      <td className="c-trend">
        <Sparkline values={row.trend} label={trendLabel(row.trend)} />
      </td>
      <td className="c-activity num muted" title={row.last_activity_at ? time.exact(row.last_activity_at) : undefined}>
        {activity(row.last_activity_at, now)}
      </td>
      <td className="c-reason">{row.reason ?? number.NOTHING}</td>
    </tr>
  );
}

function activity(at: string | null, now: number | null): string {
  if (at === null || now === null) return time.day(at);
  return time.ago(Math.max(0, (now - Date.parse(at)) / 1000));
}

function trendLabel(trend: readonly (number | null)[]): string {
  const known = trend.filter((value): value is number => value !== null);
  return `30 days: from ${number.score(known[0])} to ${number.score(known.at(-1))}`;
}

interface HeadingProps {
  sort: SortKey;
  filters: Filters;
  onSort: (filters: Filters) => void;
  className?: string;
  children: string;
}

function Heading({ sort, filters, onSort, className = "", children }: HeadingProps) {
  const active = filters.sort === sort;
  const order = filters.descending ? "descending" : "ascending";
  return (
    <th scope="col" className={className} aria-sort={active ? order : "none"}>
      <button type="button" onClick={() => onSort(turnSort(filters, sort))}>
        {children}
        <Icon name={active ? (filters.descending ? "down" : "up") : "sort"} size={12} />
      </button>
    </th>
  );
}

const STEPS: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };

function moveBetweenRows(event: KeyboardEvent<HTMLTableSectionElement>): void {
  const links = [...event.currentTarget.querySelectorAll<HTMLAnchorElement>("a.row-link")];
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  let target: HTMLAnchorElement | undefined;
  if (step !== undefined) target = links[Math.max(0, Math.min(links.length - 1, at + step))];
  else if (event.key === "Home") target = links[0];
  else if (event.key === "End") target = links.at(-1);
  if (!target) return;
  event.preventDefault();
  target.focus();
}
